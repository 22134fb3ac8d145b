#include "news.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

void news_tell(const struct sw_node_list *nodes, const struct sw_error *error, void *user_data)
{
    struct news *news = user_data;
    pthread_mutex_lock(&news->lock);
    if (nodes) {
        news->count = sw_node_list_count(nodes);
        news->told++;
    } else {
        news->error = *error;
        news->failed++;
    }
    pthread_cond_broadcast(&news->changed);
    pthread_mutex_unlock(&news->lock);
}

unsigned news_wait(struct news *news, size_t count, unsigned failed)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&news->lock);
    while (news->count != count || news->failed < failed)
        if (pthread_cond_timedwait(&news->changed, &news->lock, &until) != 0)
            fail_msg("nothing was told: %zu nodes, %u lists, %u failures, %s", news->count, news->told, news->failed,
                     news->error.message);
    failed = news->failed;
    pthread_mutex_unlock(&news->lock);
    return failed;
}
