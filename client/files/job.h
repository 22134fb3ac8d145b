/* What every job on a file has: its options, a way to end it early, and progress. On the calling thread only. */
#ifndef SW_FILE_JOB_H
#define SW_FILE_JOB_H

#include "client/io/client_internal.h"
#include "symwave/file.h"

/* The most that a job's buffer for a sub-block, or for columns of one, holds. */
#define SW_JOB_COLUMNS_BYTES ((size_t)10 << 20)

struct sw_job {
    struct sw_file_options options; /* defaults filled in */
    uint64_t started_us, deadline_us;
    uint64_t next_progress_us;
    struct sw_progress progress; /* what is told next; of its fields, elapsed_us is filled in then */
    uint64_t stage_us;           /* when the stage of the progress began */
    uint64_t buffers_bytes;      /* the most that the job's own buffers had */
};

void sw_job_start(struct sw_job *job, const struct sw_file_options *options);

/* Begins a stage: progress counts from 0, towards the totals (0: nobody knows). */
void sw_job_stage(struct sw_job *job, enum sw_stage stage, uint64_t symbols_total, uint64_t bytes_total);

/*
 * Counts bytes of the stage, tells progress where it is time, and ends the job where that is called for: SW_CANCELLED,
 * SW_DEADLINE_EXCEEDED.
 */
enum sw_status sw_job_bytes(struct sw_job *job, uint64_t bytes, struct sw_error *error);

/* The milliseconds that are left for a call which is a part of the job; 0 where there is no deadline. */
uint32_t sw_job_left_ms(const struct sw_job *job);

/* Notes how much memory the buffers have now. */
void sw_job_note_buffers(struct sw_job *job, uint64_t bytes);

#endif
