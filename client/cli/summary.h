/* Reports for people: what was done, what it cost, and which nodes made trouble. */
#ifndef SW_CLI_SUMMARY_H
#define SW_CLI_SUMMARY_H

#include "symwave/report.h"
#include <stdio.h>

void print_fetch_summary(FILE *out, const struct sw_report *report, const char *folder);
void print_store_summary(FILE *out, const struct sw_store_report *report);

/*
 * The one line that says how a fetch fell short, why, and what to do, for standard error. message is the SDK's, for
 * what this does not know better.
 */
void print_fetch_failure(const struct sw_report *report, enum sw_status status, const char *message,
                         const char *folder);

#endif
