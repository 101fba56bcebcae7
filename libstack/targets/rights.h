/* Why a process cannot be looked at, and how it can be. Inside targets/ only. */
#ifndef STK_TARGET_RIGHTS_H
#define STK_TARGET_RIGHTS_H

#include "targets/target.h"

/* What the kernel looks at when ptrace(2) is asked for (kernel/ptrace.c, __ptrace_may_access;
 * security/yama/yama_lsm.c). */
struct stk_rights {
	int pid;
	unsigned our_uid, their_uid;
	bool cap_ptrace;      /* we have CAP_SYS_PTRACE */
	bool other_userns;    /* it is in another user namespace */
	bool undumpable;      /* set-user-ID, changed credentials, PR_SET_DUMPABLE */
	bool more_caps;       /* it may use capabilities that we may not */
	bool filtered;        /* we run under a seccomp filter */
	int yama;             /* kernel.yama.ptrace_scope; 0 where there is none */
	const char *they_are; /* the name of their_uid, or NULL */
};

/* The right that is missing and the way to get it, as an error. */
int stk_rights_explain(const struct stk_rights *r, struct stk_err *err);

/* Look at a process that refused us and explain. */
int stk_rights_fail(int pid, struct stk_err *err);

/* Who traces it, as an error; 0: nobody (any more). */
int stk_rights_traced(int pid, int tracer, struct stk_err *err);

/* What is known before anything is tried: no process, a zombie, a kernel thread, traced by another,
 * 32-bit. 0: nothing speaks against it. */
int stk_rights_before(int pid, struct stk_err *err);

#endif
