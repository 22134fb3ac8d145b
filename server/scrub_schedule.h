/*
 * The node's own scrubs: one every so many hours, on a thread of its own. How far it is is kept in the data folder, in
 * the file "scrub.state", so that a restart goes on where it was.
 */
#ifndef SW_SERVER_SCRUB_SCHEDULE_H
#define SW_SERVER_SCRUB_SCHEDULE_H

#include "server/scrub.h"

struct sw_scrub_schedule;

/* What is known of the last scrub, or of the one that runs. */
struct sw_scrub_record {
    int64_t started_at;  /* Unix time in seconds; 0: there has been none */
    int64_t finished_at; /* 0: it runs, or ran when the node ended */
    struct sw_scrub_state state;
};

/* service is borrowed. interval_hours 0: never. SW_IO_ERROR without a thread, SW_NO_MEMORY. */
enum sw_status sw_scrub_schedule_start(struct sw_service *service, uint64_t interval_hours, uint64_t bytes_per_second,
                                       struct sw_scrub_schedule **schedule, struct sw_error *error);
void sw_scrub_schedule_stop(struct sw_scrub_schedule *schedule); /* NULL is allowed */

/* Takes effect at once. From any thread, as all that follow. */
void sw_scrub_schedule_set(struct sw_scrub_schedule *schedule, uint64_t interval_hours, uint64_t bytes_per_second);
uint64_t sw_scrub_schedule_rate(struct sw_scrub_schedule *schedule);
struct sw_scrub_record sw_scrub_schedule_record(struct sw_scrub_schedule *schedule);
/* A scrub that someone asked for has ended: it counts as one of the node's own, unless one of these runs. */
void sw_scrub_schedule_note(struct sw_scrub_schedule *schedule, const struct sw_scrub_record *record);

#endif
