/* Cancelling: one flag, and whoever wants to hear of it. */
#include "client/io/client_internal.h"
#include "common/memory.h"

struct sw_cancel {
    pthread_mutex_t lock;
    bool fired;
    struct cancel_hook *hooks;
};

struct sw_cancel *sw_cancel_new(void)
{
    struct sw_cancel *cancel = sw_calloc(1, sizeof(*cancel));
    if (cancel)
        pthread_mutex_init(&cancel->lock, NULL);
    return cancel;
}

void sw_cancel_free(struct sw_cancel *cancel)
{
    if (!cancel)
        return;
    pthread_mutex_destroy(&cancel->lock);
    sw_free(cancel);
}

void sw_cancel_fire(struct sw_cancel *cancel)
{
    pthread_mutex_lock(&cancel->lock);
    if (!cancel->fired) {
        cancel->fired = true;
        for (struct cancel_hook *hook = cancel->hooks; hook; hook = hook->next)
            hook->fired(hook);
    }
    pthread_mutex_unlock(&cancel->lock);
}

void sw_cancel_attach(struct sw_cancel *cancel, struct cancel_hook *hook)
{
    if (!cancel)
        return;
    pthread_mutex_lock(&cancel->lock);
    hook->next = cancel->hooks;
    cancel->hooks = hook;
    if (cancel->fired)
        hook->fired(hook);
    pthread_mutex_unlock(&cancel->lock);
}

void sw_cancel_detach(struct sw_cancel *cancel, struct cancel_hook *hook)
{
    if (!cancel)
        return;
    pthread_mutex_lock(&cancel->lock);
    struct cancel_hook **at = &cancel->hooks;
    while (*at != hook)
        at = &(*at)->next;
    *at = hook->next;
    pthread_mutex_unlock(&cancel->lock);
}

bool sw_cancel_is_fired(struct sw_cancel *cancel)
{
    if (!cancel)
        return false;
    pthread_mutex_lock(&cancel->lock);
    bool fired = cancel->fired;
    pthread_mutex_unlock(&cancel->lock);
    return fired;
}
