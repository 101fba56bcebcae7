#include "base/signals.h"

#include <stddef.h>

#include "base/mem.h"

/* signal(7), the numbers of x86 and ARM; texts as the Go runtime words them. */
static const struct {
	const char *name, *text;
} signals[] = {
    [1] = {"SIGHUP", "terminal line hangup"},
    [2] = {"SIGINT", "interrupt"},
    [3] = {"SIGQUIT", "quit"},
    [4] = {"SIGILL", "illegal instruction"},
    [5] = {"SIGTRAP", "trace trap"},
    [6] = {"SIGABRT", "abort"},
    [7] = {"SIGBUS", "bus error"},
    [8] = {"SIGFPE", "floating-point exception"},
    [9] = {"SIGKILL", "kill"},
    [10] = {"SIGUSR1", "user-defined signal 1"},
    [11] = {"SIGSEGV", "segmentation violation"},
    [12] = {"SIGUSR2", "user-defined signal 2"},
    [13] = {"SIGPIPE", "write to broken pipe"},
    [14] = {"SIGALRM", "alarm clock"},
    [15] = {"SIGTERM", "termination"},
    [16] = {"SIGSTKFLT", "stack fault"},
    [17] = {"SIGCHLD", "child status has changed"},
    [18] = {"SIGCONT", "continue"},
    [19] = {"SIGSTOP", "stop, unblockable"},
    [20] = {"SIGTSTP", "keyboard stop"},
    [21] = {"SIGTTIN", "background read from tty"},
    [22] = {"SIGTTOU", "background write to tty"},
    [23] = {"SIGURG", "urgent condition on socket"},
    [24] = {"SIGXCPU", "cpu limit exceeded"},
    [25] = {"SIGXFSZ", "file size limit exceeded"},
    [26] = {"SIGVTALRM", "virtual alarm clock"},
    [27] = {"SIGPROF", "profiling alarm clock"},
    [28] = {"SIGWINCH", "window size change"},
    [29] = {"SIGIO", "i/o now possible"},
    [30] = {"SIGPWR", "power failure restart"},
    [31] = {"SIGSYS", "bad system call"},
    [34] = {"SIGRTMIN", "real-time signal"},
};

#define NSIGNALS ((int)(sizeof(signals) / sizeof(*signals)))

/*
 * sigaction(2). signo 0: any signal. Names, not pointers to names: a table of pointers is relocated
 * at each start of a program that loads the library, and the page that it stands in copied.
 */
static const struct {
	int signo, code;
	char name[18];
} codes[] = {
    {0, 0, "SI_USER"},       {0, -1, "SI_QUEUE"},          {0, -2, "SI_TIMER"},
    {0, -3, "SI_MESGQ"},     {0, -4, "SI_ASYNCIO"},        {0, -5, "SI_SIGIO"},
    {0, -6, "SI_TKILL"},     {0, 0x80, "SI_KERNEL"},       {11, 1, "SEGV_MAPERR"},
    {11, 2, "SEGV_ACCERR"},  {11, 3, "SEGV_BNDERR"},       {11, 4, "SEGV_PKUERR"},
    {11, 8, "SEGV_MTEAERR"}, {11, 9, "SEGV_MTESERR"},      {11, 10, "SEGV_CPERR"},
    {7, 1, "BUS_ADRALN"},    {7, 2, "BUS_ADRERR"},         {7, 3, "BUS_OBJERR"},
    {7, 4, "BUS_MCEERR_AR"}, {7, 5, "BUS_MCEERR_AO"},      {8, 1, "FPE_INTDIV"},
    {8, 2, "FPE_INTOVF"},    {8, 3, "FPE_FLTDIV"},         {8, 4, "FPE_FLTOVF"},
    {8, 5, "FPE_FLTUND"},    {8, 6, "FPE_FLTRES"},         {8, 7, "FPE_FLTINV"},
    {8, 8, "FPE_FLTSUB"},    {4, 1, "ILL_ILLOPC"},         {4, 2, "ILL_ILLOPN"},
    {4, 3, "ILL_ILLADR"},    {4, 4, "ILL_ILLTRP"},         {4, 5, "ILL_PRVOPC"},
    {4, 6, "ILL_PRVREG"},    {4, 7, "ILL_COPROC"},         {4, 8, "ILL_BADSTK"},
    {5, 1, "TRAP_BRKPT"},    {5, 2, "TRAP_TRACE"},         {5, 3, "TRAP_BRANCH"},
    {5, 4, "TRAP_HWBKPT"},   {5, 5, "TRAP_UNK"},           {5, 6, "TRAP_PERF"},
    {31, 1, "SYS_SECCOMP"},  {31, 2, "SYS_USER_DISPATCH"}, {17, 1, "CLD_EXITED"},
    {17, 2, "CLD_KILLED"},   {17, 3, "CLD_DUMPED"},        {17, 4, "CLD_TRAPPED"},
    {17, 5, "CLD_STOPPED"},  {17, 6, "CLD_CONTINUED"},
};

static const char realtime[][12] = {
    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",  "SIGRTMIN+6",
    "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12",
    "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+16", "SIGRTMIN+17", "SIGRTMIN+18",
    "SIGRTMIN+19", "SIGRTMIN+20", "SIGRTMIN+21", "SIGRTMIN+22", "SIGRTMIN+23", "SIGRTMIN+24",
    "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27", "SIGRTMIN+28", "SIGRTMIN+29", "SIGRTMIN+30"};

const char *stk_signal_name(int signo)
{
	if (signo >= 35 && signo <= 64)
		return realtime[signo - 35];
	return signo > 0 && signo < NSIGNALS ? signals[signo].name : NULL;
}

const char *stk_signal_text(int signo)
{
	if (signo >= 35 && signo <= 64)
		return "real-time signal";
	return signo > 0 && signo < NSIGNALS ? signals[signo].text : NULL;
}

int stk_signal_number(const char *name, unsigned len)
{
	for (int i = 1; i <= 64; i++) {
		const char *s = stk_signal_name(i);
		if (s && stk_len(s) == len && !memcmp(s, name, len))
			return i;
	}
	return 0;
}

const char *stk_sigcode_name(int signo, int code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (codes[i].code == code && (!codes[i].signo || codes[i].signo == signo))
			return codes[i].name;
	return NULL;
}

bool stk_sigcode_has_addr(int signo, int code)
{
	return code > 0 && code != 0x80 &&
	       (signo == 11 || signo == 7 || signo == 4 || signo == 8 || signo == 5);
}

bool stk_sigcode_has_sender(int signo, int code)
{
	(void)signo;
	return code == 0 || code == -1 || code == -6;
}
