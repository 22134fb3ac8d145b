/*
 * A thread that waits for signals (of a terminal that closes, too): sw_cancel_fire must not be called from a signal
 * handler, and from a thread anything may be called.
 */
#include "client/cli/interrupt.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#define WAKE_UP SIGUSR1 /* tells the thread to end */

static pthread_t thread;
static bool started;
static atomic_bool fired;
static sigset_t mask_before;

static void signals_init(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, WAKE_UP);
}

static void *wait_for_signals(void *data)
{
    struct sw_cancel *cancel = data;
    sigset_t signals;
    int number = 0;

    signals_init(&signals);
    while (sigwait(&signals, &number) == 0 && number != WAKE_UP) {
        if (atomic_exchange(&fired, true)) {
            signal(number, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
            raise(number);
        }
        sw_cancel_fire(cancel);
    }
    return NULL;
}

void interrupt_start(struct sw_cancel *cancel)
{
    sigset_t signals;

    signals_init(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, &mask_before);
    started = pthread_create(&thread, NULL, wait_for_signals, cancel) == 0;
    /* Without the thread a signal simply kills, as ever. */
    if (!started)
        pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

void interrupt_stop(void)
{
    if (!started)
        return;
    pthread_kill(thread, WAKE_UP);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
    started = false;
}

bool interrupted(void)
{
    return atomic_load(&fired);
}
