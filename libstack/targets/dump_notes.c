/* The notes of a core, in the kernel's order (linux/fs/binfmt_elf.c, write_note_info()). */
#include <elf.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>

#include "base/cursor.h"
#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "targets/dump_parts.h"
#include "targets/live.h"
#include "targets/procfs.h"
#include "targets/stop.h"

#define NT_SIGINFO_  0x53494749 /* "SIGI", include/uapi/linux/elf.h */
#define NT_FILE_     0x46494c45 /* "FILE" */
#define EVENT_STOP   128 /* PTRACE_EVENT_STOP of linux/ptrace.h, which contradicts sys/ptrace.h */
#define EXTENDED_MAX 16384
#define REMARKS      1024 /* room for what is only known in the end */

struct buffer {
	uint8_t *v;
	size_t n, cap;
	bool bad;
};

static void put(struct buffer *b, const void *p, size_t n)
{
	if (!STK_VEC_RESERVE(b, n)) {
		b->bad = true;
		return;
	}
	if (p)
		memcpy(b->v + b->n, p, n);
	else
		memset(b->v + b->n, 0, n);
	b->n += n;
}

static void pad(struct buffer *b)
{
	put(b, NULL, -b->n & 3);
}

static void note(struct buffer *b, const char *owner, uint32_t type, const void *desc, size_t len)
{
	Elf64_Nhdr h = {(Elf64_Word)strlen(owner) + 1, (Elf64_Word)len, type};

	put(b, &h, sizeof(h));
	put(b, owner, h.n_namesz);
	pad(b);
	put(b, desc, len);
	pad(b);
}

/* What /proc/PID/task/TID tells for NT_PRSTATUS and NT_PRPSINFO. */
struct facts {
	int ppid, pgrp, sid, tid, nice;
	unsigned long flags, utime, stime, cutime, cstime;
	unsigned uid, gid;
	uint64_t pending, blocked;
	char *status;
};

static uint64_t field(const char *status, const char *key, int base)
{
	const char *p = status ? stk_status_line(status, key) : NULL;

	return p ? strtoull(p, NULL, base) : 0;
}

/* The number at place `depth` (1: ours) of a line of status that has one for each PID namespace;
 * the last, where it has no more. */
static int number_in(const char *status, const char *key, unsigned depth, unsigned *ret_depth)
{
	const char *p = status ? stk_status_line(status, key) : NULL;
	unsigned n = 0;
	char *end;
	int v = 0;

	for (; p && n < depth && (*p == '\t' || *p == ' '); p = end, n++)
		v = (int)strtol(p, &end, 10);
	if (ret_depth)
		*ret_depth = n;
	return v;
}

/* The parent as its child's PID namespace knows it; 0: from outside (pid_namespaces(7)). */
static int parent_in(struct stk_dump *d, int ppid, unsigned depth)
{
	unsigned has = 0;
	char *status = ppid ? stk_proc_read(&d->t->pool, ppid, "status", NULL) : NULL;
	int v = number_in(status, "NSpid:", depth, &has);

	return has == depth ? v : 0;
}

static void read_facts(struct stk_dump *d, int tid, struct facts *f)
{
	char name[64];
	struct stk_text t;
	unsigned long v[20] = {0};

	memset(f, 0, sizeof(*f));
	stk_text_init(&t, name, sizeof(name));
	/* The leader's times are those of the process (fill_prstatus()). */
	stk_printf(&t, tid == d->o.pid ? "stat" : "task/%d/stat", tid);
	char *stat = stk_proc_read(&d->t->pool, d->o.pid, name, NULL);
	const char *state = stat ? stk_stat_state(stat) : NULL;
	char *p = state ? (char *)(uintptr_t)state + 1 : NULL;
	/* Fields of proc(5) from the fourth on; the state is the third. */
	for (unsigned i = 4; p && *p && i < 20; i++)
		v[i] = strtoul(p, &p, 10);
	f->ppid = (int)v[4], f->pgrp = (int)v[5], f->sid = (int)v[6], f->flags = v[9];
	f->utime = v[14], f->stime = v[15], f->cutime = v[16], f->cstime = v[17];
	f->nice = (int)v[19];
	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/status", tid);
	f->status = stk_proc_read(&d->t->pool, d->o.pid, name, NULL);
	unsigned depth = 0;
	f->tid = number_in(f->status, "NSpid:", UINT_MAX, &depth);
	if (!f->tid)
		f->tid = tid;
	if (depth > 1) {
		f->pgrp = number_in(f->status, "NSpgid:", depth, NULL);
		f->sid = number_in(f->status, "NSsid:", depth, NULL);
		f->ppid = parent_in(d, f->ppid, depth);
	}
	f->uid = (unsigned)field(f->status, "Uid:", 10);
	f->gid = (unsigned)field(f->status, "Gid:", 10);
	f->pending = field(f->status, "SigPnd:", 16);
	f->blocked = field(f->status, "SigBlk:", 16);
}

static struct timeval ticks(unsigned long n)
{
	return (struct timeval){(time_t)(n / 100), (suseconds_t)(n % 100 * 10000)}; /* USER_HZ */
}

/* Does a signal end the program that has said this of its signals (signal(7))? */
static bool ends_by(int sig, const char *status)
{
	static const int others[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
				     SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	uint64_t kept = field(status, "SigIgn:", 16) | field(status, "SigCgt:", 16);

	for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (others[i] == sig)
			return false;
	return sig > 0 && sig <= 64 && !(kept >> (sig - 1) & 1);
}

/* The signal that a thread that we stopped is about to be ended by; false: none. */
static bool signal_under_way(int tid, const char *status, siginfo_t *ret)
{
	siginfo_t si;

	/* In the stop that we asked for, si_code says that (ptrace(2), PTRACE_EVENT_STOP). */
	if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &si) || si.si_code >> 8 == EVENT_STOP ||
	    !ends_by(si.si_signo, status))
		return false;
	*ret = si;
	return true;
}

/* Names of threads, which the kernel does not put into cores: {tid, 16 bytes} each. */
static void put_names(struct buffer *b, const struct stk_target *t, const int *tids)
{
	struct buffer n = {0};

	for (unsigned i = 0; i < t->nthreads; i++) {
		char name[16] = "";
		if (!t->threads[i].name)
			continue;
		strncpy(name, t->threads[i].name, sizeof(name) - 1);
		put(&n, &tids[i], 4);
		put(&n, name, sizeof(name));
	}
	b->bad |= n.bad;
	if (n.n && !n.bad)
		note(b, STK_NOTE_OWNER, STK_NOTE_NAMES, n.v, n.n);
	free(n.v);
}

static void put_prstatus(struct buffer *b, struct stk_dump *d, const struct stk_thread *th,
			 const struct facts *f, const siginfo_t *si)
{
	struct elf_prstatus s;
	size_t n = th->gregs.len < sizeof(s.pr_reg) ? th->gregs.len : sizeof(s.pr_reg);

	memset(&s, 0, sizeof(s));
	if (si) {
		s.pr_info.si_signo = si->si_signo;
		s.pr_info.si_code = si->si_code;
		s.pr_info.si_errno = si->si_errno;
		s.pr_cursig = (short)si->si_signo;
	}
	s.pr_sigpend = f->pending;
	s.pr_sighold = f->blocked;
	s.pr_pid = f->tid;
	s.pr_ppid = f->ppid;
	s.pr_pgrp = f->pgrp;
	s.pr_sid = f->sid;
	s.pr_utime = ticks(f->utime);
	s.pr_stime = ticks(f->stime);
	s.pr_cutime = ticks(f->cutime);
	s.pr_cstime = ticks(f->cstime);
	memcpy(&s.pr_reg, th->gregs.p, n);
	s.pr_fpvalid = th->fpregs.p != NULL;
	note(b, "CORE", NT_PRSTATUS, &s, d->t->arch->prstatus_size);
}

/* Of the leader, whichever thread comes first (fs/binfmt_elf.c, fill_psinfo()). */
static void put_prpsinfo(struct buffer *b, struct stk_dump *d)
{
	struct elf_prpsinfo s;
	struct facts leader, *f = &leader;
	struct stk_pool *pool = &d->t->pool;
	size_t n;

	read_facts(d, d->o.pid, &leader);
	memset(&s, 0, sizeof(s));
	/* Whoever writes a core runs: so the kernel says of the process. */
	s.pr_sname = 'R';
	s.pr_nice = (char)f->nice;
	s.pr_flag = f->flags;
	s.pr_uid = f->uid;
	s.pr_gid = f->gid;
	s.pr_pid = f->tid;
	s.pr_ppid = f->ppid;
	s.pr_pgrp = f->pgrp;
	s.pr_sid = f->sid;
	char *comm = stk_proc_read(pool, d->o.pid, "comm", &n);
	if (comm)
		memcpy(s.pr_fname, comm, strnlen(comm, n) < 16 ? strcspn(comm, "\n") : 15);
	char *args = stk_proc_cmdline(pool, d->mm_tid, &n);
	for (size_t i = 0; args && i < n && i + 1 < sizeof(s.pr_psargs); i++)
		s.pr_psargs[i] = args[i] || i + 1 == n ? args[i] : ' ';
	note(b, "CORE", NT_PRPSINFO, &s, d->t->arch->prpsinfo_size);
}

/* NT_FILE: count, page size, count × {start, end, page offset}, then count strings. */
static void put_files(struct buffer *b, const struct stk_vmas *m)
{
	struct buffer f = {0};
	uint64_t n = 0, page = STK_PAGE;

	for (unsigned i = 0; i < m->n; i++)
		n += stk_vma_is_file(&m->v[i]);
	if (!n)
		return;
	put(&f, &n, 8);
	put(&f, &page, 8);
	for (unsigned i = 0; i < m->n; i++) {
		const struct stk_vma *v = &m->v[i];
		uint64_t row[3] = {v->start, v->end, v->file_off / page};
		if (stk_vma_is_file(v))
			put(&f, row, sizeof(row));
	}
	for (unsigned i = 0; i < m->n; i++) {
		const struct stk_vma *v = &m->v[i];
		/* "[anon_shmem:NAME]" stands in maps for the file of a shared mapping. */
		const char *path = v->path[0] == '[' ? "/dev/zero (deleted)" : v->path;
		if (stk_vma_is_file(v))
			put(&f, path, strlen(path) + 1);
	}
	b->bad |= f.bad;
	if (!f.bad)
		note(b, "CORE", NT_FILE_, f.v, f.n);
	free(f.v);
}

/* Where the parts of the extended registers of the last thread lie; they are alike in all. */
struct layout {
	uint8_t bytes[1024];
	size_t len;
};

static void put_regset(struct buffer *b, int tid, uint32_t type)
{
	static uint8_t x[EXTENDED_MAX];
	int n = stk_stop_regs(tid, type, x, sizeof(x));

	if (n > 0)
		note(b, "LINUX", type, x, (size_t)n);
}

/* The registers that NT_PRSTATUS does not hold. */
static void put_more_registers(struct buffer *b, struct stk_dump *d, const struct stk_thread *th,
			       bool own, struct layout *layout)
{
	static uint8_t x[EXTENDED_MAX];
	const struct stk_arch *a = d->t->arch;
	size_t n = 0;

	if (th->fpregs.p)
		note(b, "CORE", NT_FPREGSET, th->fpregs.p, th->fpregs.len);
	/* They can be larger than the stack (AMX: 11 KB), and no frame is found by them. */
	if (d->o.stacks_only)
		return;
	if (own && d->o.own_xstate) {
		n = d->o.own_xstate_len <= EXTENDED_MAX ? d->o.own_xstate_len : 0;
		memcpy(x, d->o.own_xstate, n);
	} else {
		int got = stk_stop_regs(th->tid, a->extended_note, x, sizeof(x));
		n = got > 0 ? (size_t)got : 0;
	}
	if (n > a->extended_min) {
		note(b, "LINUX", a->extended_note, x, n);
		layout->len = a->layout(x, n, layout->bytes, sizeof(layout->bytes));
	}
	for (const uint32_t *type = a->more_notes; !own && *type; type++)
		put_regset(b, th->tid, *type);
}

static int make_notes(struct stk_dump *d, const struct stk_vmas *m, struct stk_err *err)
{
	struct stk_target *t = d->t;
	struct buffer b = {0};
	struct facts f;
	struct layout layout = {.len = 0};
	int *tids = stk_pool_alloc(&t->pool, (t->nthreads + 1) * sizeof(*tids));

	if (!tids)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	for (unsigned i = 0; i < t->nthreads; i++) {
		const struct stk_thread *th = &t->threads[i];
		siginfo_t si;
		const void *sig = i ? NULL : d->o.siginfo;
		read_facts(d, th->tid, &f);
		if (!sig && signal_under_way(th->tid, f.status, &si))
			sig = &si;
		tids[i] = f.tid;
		if (!i && d->o.own_blocked)
			f.blocked = *d->o.own_blocked;
		put_prstatus(&b, d, th, &f, sig);
		if (!i)
			put_prpsinfo(&b, d);
		if (sig)
			note(&b, "CORE", NT_SIGINFO_, sig, 128);
		if (!i) {
			note(&b, "CORE", NT_AUXV, t->auxv.p, t->auxv.len);
			put_files(&b, m);
		}
		put_more_registers(&b, d, th, !i && d->o.siginfo, &layout);
	}
	if (layout.len)
		note(&b, "LINUX", t->arch->layout_note, layout.bytes, layout.len);
	put_names(&b, t, tids);
	note(&b, STK_NOTE_OWNER, STK_NOTE_REMARK, NULL, REMARKS);
	if (b.bad) {
		free(b.v);
		return stk_fail(err, STK_ENOMEM, "out of memory");
	}
	d->notes = b.v;
	d->notes_len = b.n;
	return 0;
}

struct notes_job {
	struct stk_dump *d;
	const struct stk_vmas *m;
	struct stk_err *err;
	int result;
};

static void notes_job(void *arg)
{
	struct notes_job *j = arg;

	j->result = make_notes(j->d, j->m, j->err);
}

int stk_dump_notes(struct stk_dump *d, const struct stk_vmas *m, struct stk_err *err)
{
	struct notes_job j = {d, m, err, 0};

	stk_live_trace(d->t, notes_job, &j);
	return j.result;
}

int stk_dump_lost(const struct stk_dump *d, struct stk_err *err)
{
	int r = stk_dump_same(d, err);

	return r ? r : stk_fail(err, STK_ESYS, "process %d %s", d->o.pid, STK_LIVE_ENDED);
}

int stk_dump_same(const struct stk_dump *d, struct stk_err *err)
{
	const char *why = stk_live_gone(d->t);

	return why ? stk_fail(err, STK_ESYS, "process %d %s", d->o.pid, why) : 0;
}

void stk_dump_remark(struct stk_dump *d, const char *text)
{
	char *room = (char *)d->notes + d->notes_len - REMARKS;
	size_t used = strnlen(room, REMARKS);
	struct stk_text t;

	stk_text_init(&t, room + used, REMARKS - used);
	stk_printf(&t, "%s%s", used ? "\n" : "", text);
}
