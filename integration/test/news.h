/* What a node watch tells, kept for a test to wait for. */
#ifndef NEWS_H
#define NEWS_H

#include "symwave/symwave.h"
#include <pthread.h>

struct news {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;  /* of nodes in the last list */
    unsigned told; /* lists */
    unsigned failed;
    struct sw_error error; /* the last */
};

#define NEWS                                                                                                           \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

/* An sw_node_watch_fn; user_data is the news. */
void news_tell(const struct sw_node_list *nodes, const struct sw_error *error, void *user_data);

/*
 * Waits until a list of so many nodes was told last, and so many failures in all, or more: returns how many. Fails the
 * test in a minute.
 */
unsigned news_wait(struct news *news, size_t count, unsigned failed);

#endif
