/* Stands at each instruction of a few functions once, and asks libstack for the stack there; what
 * they were called with is logged. With an argument: ends where a return address is damaged. */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "../../fixtures/fixture.h"

int libstack_dump(int fd) __attribute__((weak));

static volatile sig_atomic_t active;
static volatile long sink;

struct pair {
	long a, b;
};

/* The kernel's frame lies directly below what it interrupted. */
static void on_step(int signo, siginfo_t *si, void *context)
{
	ucontext_t *c = context;

	(void)signo;
	(void)si;
	if (active)
		libstack_dump(1);
	else
		c->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

NOINLINE static long leaf(long a, long b)
{
	sink = a;
	return a * b + sink;
}

NOINLINE static long many(long a, long b, long c, long d, long e, long f, long g, long h)
{
	long r = leaf(0x31, 0x32);

	r += leaf(0x31, 0x32) * a + b;
	return r + c * d + e * f + g * h;
}

NOINLINE static long pressed(long a, long b, long c, long d, struct pair p)
{
	long r = many(0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58);

	for (int i = 0; i < 2; i++) {
		r += leaf(0x31, 0x32) * c - d;
		r ^= a * b;
	}
	return r + a * b * c * d + p.a + p.b;
}

NOINLINE static long large(long a, long b)
{
	volatile char room[3000];

	room[a] = 1;
	return b + room[a];
}

NOINLINE static long seldom(long a, long b, struct pair p)
{
	if (a != 0x71)
		return b + p.a;
	return leaf(0x31, 0x32) + leaf(0x31, 0x32) + b + p.b;
}

NOINLINE static long work(long a, long b)
{
	struct pair p = {0x65, 0x66}, q = {0x73, 0x74};

	return pressed(0x61, 0x62, 0x63, 0x64, p) + large(0x41, 0x42) + seldom(0x71, 0x72, q) + a +
	       b;
}

/* At its `ret` the fault: the frame is gone already, and its words are still there. */
NOINLINE static long damaged(int a, long b, struct pair p)
{
	LOG("damaged 0x%x, 0x%lx, {0x%lx, 0x%lx}\n", a, b, p.a, p.b);
	((long *volatile *)__builtin_frame_address(0))[1] = (long *)0x4141414141414141;
	return a + b + p.b;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct pair p = {0x13, 0x14};
	long r;

	(void)argv;
	fixture_start(100);
	if (argc > 1)
		return (int)damaged(0x11, 0x12, p);
	LOG("leaf 0x31, 0x32\n");
	LOG("many 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58\n");
	LOG("pressed 0x61, 0x62, 0x63, 0x64, {0x65, 0x66}\n");
	LOG("large 0x41, 0x42\n");
	LOG("seldom 0x71, 0x72, {0x73, 0x74}\n");
	LOG("work 0x21, 0x22\n");
	sigaction(SIGTRAP, &sa, NULL);
	active = 1;
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	r = work(0x21, 0x22);
	active = 0;
	return (int)r & 0;
}
