/* The progress line, on a terminal only. */
#ifndef SW_CLI_PROGRESS_H
#define SW_CLI_PROGRESS_H

#include "symwave/client.h"

/* Begins: verb as in "fetching"; total stands in where the SDK does not know it, and 0 where nobody does. */
void progress_begin(const char *verb, uint64_t total);
/* Rewrites the line; a sw_progress_fn. */
void progress_show(const struct sw_progress *progress, void *user_data);
/* Removes the line for good. */
void progress_end(void);

/* Around whatever else is printed: removes the line and holds it off, so that lines of several threads do not mix. */
void progress_pause(void);
void progress_resume(void);

#endif
