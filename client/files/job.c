#include "client/files/job.h"
#include <string.h>

void sw_job_start(struct sw_job *job, const struct sw_file_options *options)
{
    memset(job, 0, sizeof(*job));
    SW_OPTIONS_COPY(&job->options, options);
    if (!job->options.task_id)
        job->options.task_id = "";
    if (job->options.progress_interval_ms == 0)
        job->options.progress_interval_ms = 200;
    job->started_us = sw_clock_us();
    job->deadline_us =
        job->options.deadline_ms ? job->started_us + (uint64_t)job->options.deadline_ms * 1000 : SW_CLOCK_NEVER;
}

void sw_job_stage(struct sw_job *job, enum sw_stage stage, uint64_t symbols_total, uint64_t bytes_total)
{
    job->progress = (struct sw_progress){.stage = stage, .symbols_total = symbols_total, .bytes_total = bytes_total};
    job->stage_us = sw_clock_us();
    job->next_progress_us = job->stage_us + (uint64_t)job->options.progress_interval_ms * 1000;
}

enum sw_status sw_job_bytes(struct sw_job *job, uint64_t bytes, struct sw_error *error)
{
    uint64_t now = sw_clock_us();

    job->progress.bytes += bytes;
    const bool is_through = job->progress.bytes_total > 0 && job->progress.bytes == job->progress.bytes_total;
    if (job->options.progress && (now >= job->next_progress_us || is_through)) {
        job->next_progress_us = now + (uint64_t)job->options.progress_interval_ms * 1000;
        job->progress.elapsed_us = now - job->stage_us;
        job->options.progress(&job->progress, job->options.progress_data);
    }
    if (sw_cancel_is_fired(job->options.cancel))
        return sw_error_set(error, SW_CANCELLED, "cancelled");
    if (now >= job->deadline_us)
        return sw_error_set(error, SW_DEADLINE_EXCEEDED, "the deadline of %u ms passed", job->options.deadline_ms);
    return SW_OK;
}

uint32_t sw_job_left_ms(const struct sw_job *job)
{
    uint64_t now = sw_clock_us();

    if (job->deadline_us == SW_CLOCK_NEVER)
        return 0;
    /* One that has passed is the shortest there is: 0 would be none. */
    return job->deadline_us > now + 1000 ? (uint32_t)((job->deadline_us - now) / 1000) : 1;
}

void sw_job_note_buffers(struct sw_job *job, uint64_t bytes)
{
    if (bytes > job->buffers_bytes)
        job->buffers_bytes = bytes;
}
