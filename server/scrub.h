/* Scrubbing: every symbol is read and compared with its key, no faster than it may be; what fails is set aside. */
#ifndef SW_SERVER_SCRUB_H
#define SW_SERVER_SCRUB_H

#include "server/service.h"

/* Damaged keys told at once. */
#define SW_SCRUB_DAMAGED_MAX 256

struct sw_scrub_state {
    uint64_t symbols, bytes, damaged; /* so far */
    bool has_last;
    struct sw_key last; /* the last one checked */
};

/* All but rate may be NULL. On the thread that scrubs. */
struct sw_scrub_hooks {
    uint64_t (*rate)(void *user_data); /* bytes a second, at least 1 */
    bool (*is_over)(void *user_data);  /* asked often: true ends it */
    /* About once a second, and at the end: keys are the damaged ones since the time before, set aside already. */
    void (*tell)(void *user_data, const struct sw_key *keys, size_t count);
    void *user_data;
};

/*
 * Scrubs what comes after state->last, and keeps state up to date. SW_CANCELLED where is_over said so; SW_IO_ERROR and
 * SW_DATA_LOSS where the store cannot be read any further. Blocks for as long as it takes; from any thread.
 */
enum sw_status sw_scrub_run(struct sw_service *service, struct sw_scrub_state *state,
                            const struct sw_scrub_hooks *hooks, struct sw_error *error);

#endif
