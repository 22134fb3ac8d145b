#include "common/thread.h"
#include <signal.h>

void sw_thread_signals_block(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    /* These are about the very thread that they come on. */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGTRAP);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void sw_thread_signals_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int sw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
    sigset_t before;
    sw_thread_signals_block(&before);
    int failed = pthread_create(thread, NULL, run, arg);
    sw_thread_signals_restore(&before);
    if (!failed && name)
        pthread_setname_np(*thread, name);
    return failed;
}
