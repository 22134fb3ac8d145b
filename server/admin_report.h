/* What a command has to say at its end: as lines for people, or as one JSON object. And the line while it works. */
#ifndef SW_SERVER_ADMIN_REPORT_H
#define SW_SERVER_ADMIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct sw_admin_report;

/* NULL without memory. Where memory ends later, it lacks what was added then. */
struct sw_admin_report *sw_admin_report_new(void);
/* Each adds to the end. Names are those of the JSON; for people "_" becomes a space, and "bytes" are shown as such. */
void sw_admin_report_text(struct sw_admin_report *report, const char *name, const char *text);
void sw_admin_report_count(struct sw_admin_report *report, const char *name, uint64_t value);
void sw_admin_report_number(struct sw_admin_report *report, const char *name, double value);
void sw_admin_report_flag(struct sw_admin_report *report, const char *name, bool value);
void sw_admin_report_time(struct sw_admin_report *report, const char *name, int64_t unix_s); /* RFC 3339, UTC */
/* Adds a text to the list of a name. */
void sw_admin_report_item(struct sw_admin_report *report, const char *name, const char *text);
/* What is added from here on goes into an object of this name; NULL ends that. */
void sw_admin_report_section(struct sw_admin_report *report, const char *name);
/* Prints it to standard output. False where it cannot be written. */
bool sw_admin_report_print(const struct sw_admin_report *report, bool as_json);
void sw_admin_report_free(struct sw_admin_report *report);

/*
 * Rewrites the line on a terminal, ten times a second at most; elsewhere nothing. total 0: nobody knows.
 * sw_admin_progress_end removes it.
 */
void sw_admin_progress(const char *verb, uint64_t symbols, uint64_t total, uint64_t bytes);
void sw_admin_progress_end(void);

#endif
