/*
 * The processes that the library makes are children of the program, though wait(2) tells of them
 * only with __WALL or __WCLONE (their exit signal is 0). A thread of the program that waits so
 * while another one reports must not see them: the functions that wait look here (program/wait.c).
 * CRASH context, all of it; without locks.
 */
#ifndef SIGNAL_CLONES_H
#define SIGNAL_CLONES_H

#include <stdbool.h>

/* This process has made this one. Best said by the clone itself, before it can end. */
void stk_clone_note(int pid);

/* We have waited for it. Not to be said where somebody else has: who it is, that one asks yet. */
void stk_clone_forget(int pid);

/* It is one of ours, or was a moment ago: the kernel may have told of it before we waited. */
bool stk_clone_is(int pid);

/* A wait of the program has taken its end; `status` as of wait4(2). */
void stk_clone_taken(int pid, int status);

/* true: that is so, and this was the status. It is forgotten. */
bool stk_clone_status(int pid, int *status);

#endif
