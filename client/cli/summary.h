/* Reports for people: what was done, what it cost, and which nodes made trouble. */
#ifndef SW_CLI_SUMMARY_H
#define SW_CLI_SUMMARY_H

#include "symwave/file.h"
#include <stdio.h>

void print_fetch_summary(FILE *out, const struct sw_report *report, const char *folder);
void print_store_summary(FILE *out, const struct sw_store_report *report);

/* Of an encode too, which has stored nothing. */
void print_put_summary(FILE *out, const struct sw_put_report *report, const char *file, const char *layout);
void print_get_summary(FILE *out, const struct sw_get_report *report, const char *file);

/* The lines that say how a put or a get fell short, for standard error; report may be NULL. */
void print_put_failure(const struct sw_put_report *report, enum sw_status status, const char *message);
void print_get_failure(const struct sw_get_report *report, enum sw_status status, const char *message,
                       const char *file);

/* The lines of a summary on what a retrieval lost time and bytes with; in summary_why.c. */
void print_reasons(FILE *out, const struct sw_report *report);

/*
 * The one line that says how a fetch fell short, why, and what to do, for standard error. message is the SDK's, for
 * what this does not know better.
 */
void print_fetch_failure(const struct sw_report *report, enum sw_status status, const char *message,
                         const char *folder);

#endif
