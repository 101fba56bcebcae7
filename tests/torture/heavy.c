/*
 * heavy KIND: a process whose memory is large for whoever believes what it says, and small in fact.
 * args: a command line of 3 GB that was never touched; sp: a thread pointer 4 GB above the stack
 * pointer; crowd: 3,000 threads with their stack pointers into one stack of 1 GB.
 */
#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GB 30

static char *reserve(size_t size)
{
	char *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (m == MAP_FAILED) {
		puts("mmap");
		exit(77);
	}
	madvise(m, size, MADV_NOHUGEPAGE);
	return m;
}

static void ready(void)
{
	puts("READY");
	fflush(stdout);
}

static void args(void)
{
	size_t size = 3UL << GB;
	char *m = reserve(size), text[4096] = "", *p;
	unsigned long f[64] = {0};
	FILE *stat = fopen("/proc/self/stat", "r");

	m[0] = 'x';
	if (!stat || !fgets(text, sizeof(text), stat) || !(p = strrchr(text, ')')))
		exit(77);
	fclose(stat);
	p += 2;
	for (unsigned i = 3; i < 53 && *p; i++) { /* proc(5), by number */
		f[i] = strtoul(p, &p, 10);
		p += i == 3 ? 2 : strspn(p, " ");
	}
	struct prctl_mm_map mm = {.start_code = f[26],
				  .end_code = f[27],
				  .start_stack = f[28],
				  .start_data = f[45],
				  .end_data = f[46],
				  .start_brk = f[47],
				  .brk = (uint64_t)(uintptr_t)sbrk(0),
				  .arg_start = (uint64_t)(uintptr_t)m,
				  .arg_end = (uint64_t)(uintptr_t)m + size - 1,
				  .env_start = f[50],
				  .env_end = f[51],
				  .exe_fd = (uint32_t)-1};
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &mm, sizeof(mm), 0)) {
		printf("PR_SET_MM_MAP: %s\n", strerror(errno));
		exit(77);
	}
	ready();
	for (;;)
		pause();
}

/* arch_prctl(ARCH_SET_FS) to the top, and from then on nothing of libc. */
static void sp(void)
{
	size_t size = 4UL << GB;
	char *m = reserve(size);

	ready();
	__asm__ volatile(
	    "mov $158,%%eax\n\tmov $0x1002,%%edi\n\tmov %0,%%rsi\n\tsyscall\n\t"
	    "mov %1,%%rsp\n1:\tmov $34,%%eax\n\tsyscall\n\tjmp 1b" ::"r"(m + size - 4096),
	    "r"(m + 8192)
	    : "rax", "rdi", "rsi", "rcx", "r11", "memory");
}

static int stand(void *arg)
{
	(void)arg;
	for (;;)
		__asm__ volatile("syscall" ::"a"(34) : "rcx", "r11", "memory"); /* pause(2) */
	return 0;
}

static void crowd(void)
{
	char *m = reserve(1UL << GB);

	for (unsigned i = 0; i < 3000; i++)
		if (clone(stand, m + 8192 + i * 256,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			      CLONE_SYSVSEM,
			  NULL) < 0) {
			printf("clone: %s\n", strerror(errno));
			exit(77);
		}
	ready();
	stand(NULL);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";

	if (!strcmp(kind, "args"))
		args();
	if (!strcmp(kind, "sp"))
		sp();
	if (!strcmp(kind, "crowd"))
		crowd();
	return 64;
}
