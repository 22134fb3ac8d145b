/* Threads that keep out of the host's way: no signal that is sent to the process is handled on one of them. */
#ifndef SW_THREAD_H
#define SW_THREAD_H

#include <pthread.h>
#include <signal.h>

/*
 * As pthread_create, with a name of at most 15 bytes; with NULL *thread is not touched once the thread runs, so that it
 * may free what that is in. Returns 0 or an errno.
 */
int sw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

/* Between the two, threads that anybody starts on this thread are such ones too. */
void sw_thread_signals_block(sigset_t *before);
void sw_thread_signals_restore(const sigset_t *before);

#endif
