/* What the parts of `view` share. */
#ifndef LIVE_VIEW_H
#define LIVE_VIEW_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>

typedef void (*handler_t)(int);
extern handler_t bsd_signal(int, handler_t);
extern handler_t sysv_signal(int, handler_t);

/* How often a handler ran, and for what; where on_fault jumps to. */
extern volatile sig_atomic_t calls, last;
extern sigjmp_buf back;
void on_signal(int sig);
void on_fault(int sig);

const char *word(handler_t h);
unsigned long bits(const sigset_t *s);
void show(const char *what, int sig, int r, int e, const struct sigaction *sa);

/* The mask, as the program sees it; what is pending. */
unsigned long mask(void);
int pending(void);
sigset_t set_of(int a, int b, int c);
void block(int sig);
void unblock(int sig);

/* Each in a child: how it ends says whether the signal came through. */
void child(const char *name, void (*fn)(void));

void delivery(void);
void inheritance(void);
void children(void);

/* This program's own path. */
extern char self[4096];

#endif
