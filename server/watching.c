#include "server/watching.h"
#include "server/http.h"
#include "server/metrics.h"
#include <stdlib.h>

struct sw_watching {
    struct sw_http *http; /* NULL: nobody watches */
    pthread_mutex_t lock;
    /* under lock */
    enum sw_watched state;
    struct sw_daemon *daemon;
};

static bool is_ready(void *user_data, const char **reason)
{
    struct sw_watching *watching = user_data;
    pthread_mutex_lock(&watching->lock);
    const enum sw_watched state = watching->state;
    pthread_mutex_unlock(&watching->lock);
    *reason = state == SW_WATCHED_STARTING ? "starting\n" : "stopping\n";
    return state == SW_WATCHED_SERVING;
}

static void metrics(void *user_data, FILE *out)
{
    struct sw_watching *watching = user_data;
    pthread_mutex_lock(&watching->lock);
    if (watching->daemon)
        sw_daemon_write_metrics(watching->daemon, out);
    pthread_mutex_unlock(&watching->lock);
    sw_metrics_write_process(out);
}

enum sw_status sw_watching_start(const struct sw_config *config, const struct sw_logger *logger,
                                 struct sw_watching **out, struct sw_error *error)
{
    static const struct sw_http_handler handler = {.is_ready = is_ready, .metrics = metrics};
    enum sw_status status = SW_OK;
    char quoted[600];
    int port = 0;
    struct sw_watching *watching = *out = calloc(1, sizeof(*watching));
    if (!watching)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for those who watch");
    pthread_mutex_init(&watching->lock, NULL);
    if (config->http_listen)
        status = sw_http_start(config->http_listen, &handler, watching, &watching->http, &port, error);
    if (status == SW_OK && config->http_listen)
        sw_log(logger, SW_LOG_INFO, "HTTP for metrics", "listen=%s port=%d",
               sw_log_quote(config->http_listen, quoted, sizeof(quoted)), port);
    return status;
}

void sw_watching_set(struct sw_watching *watching, enum sw_watched state, struct sw_daemon *daemon)
{
    pthread_mutex_lock(&watching->lock);
    watching->state = state;
    watching->daemon = daemon;
    pthread_mutex_unlock(&watching->lock);
}

void sw_watching_stop(struct sw_watching *watching)
{
    if (!watching)
        return;
    sw_http_stop(watching->http);
    pthread_mutex_destroy(&watching->lock);
    free(watching);
}
