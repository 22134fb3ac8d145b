#include "server/admin_report.h"
#include "common/clock.h"
#include "common/format.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_US 100000

struct sw_admin_report {
    json_t *root;
    json_t *section; /* borrowed; root where there is none */
};

/* ---- making ---- */

struct sw_admin_report *sw_admin_report_new(void)
{
    struct sw_admin_report *report = calloc(1, sizeof(*report));
    if (report)
        report->root = report->section = json_object();
    if (report && report->root)
        return report;
    free(report);
    return NULL;
}

static void add(struct sw_admin_report *report, const char *name, json_t *value)
{
    json_object_set_new(report->section, name, value);
}

void sw_admin_report_text(struct sw_admin_report *report, const char *name, const char *text)
{
    add(report, name, json_string(text));
}

void sw_admin_report_count(struct sw_admin_report *report, const char *name, uint64_t value)
{
    add(report, name, json_integer((json_int_t)value));
}

void sw_admin_report_number(struct sw_admin_report *report, const char *name, double value)
{
    const json_int_t whole = (json_int_t)value;
    add(report, name, (double)whole == value ? json_integer(whole) : json_real(value));
}

void sw_admin_report_flag(struct sw_admin_report *report, const char *name, bool value)
{
    add(report, name, json_boolean(value));
}

void sw_admin_report_time(struct sw_admin_report *report, const char *name, int64_t unix_s)
{
    const time_t time = (time_t)unix_s;
    struct tm fields;
    char text[40] = "";
    if (gmtime_r(&time, &fields))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &fields);
    sw_admin_report_text(report, name, text);
}

void sw_admin_report_item(struct sw_admin_report *report, const char *name, const char *text)
{
    json_t *list = json_object_get(report->section, name);
    if (!list) {
        list = json_array();
        json_object_set_new(report->section, name, list);
    }
    json_array_append_new(list, json_string(text));
}

void sw_admin_report_section(struct sw_admin_report *report, const char *name)
{
    report->section = report->root;
    if (name) {
        report->section = json_object();
        json_object_set_new(report->root, name, report->section);
    }
}

/* ---- printing ---- */

static void print_value(const char *name, const json_t *value)
{
    char text[NUMBER_SIZE], shown[1024];
    const size_t length = strlen(name);
    if (json_is_string(value))
        fputs(printable(json_string_value(value), json_string_length(value), shown, sizeof(shown)), stdout);
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stdout);
    else if (json_is_integer(value) && length >= 5 && strcmp(name + length - 5, "bytes") == 0)
        fputs(format_bytes((uint64_t)json_integer_value(value), text), stdout);
    else if (json_is_integer(value))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        printf("%g", json_number_value(value));
}

static void print_name(const char *name, int indent, bool has_spaces)
{
    char text[64];
    snprintf(text, sizeof(text), "%s", name);
    for (char *at = text; has_spaces && *at; at++)
        if (*at == '_')
            *at = ' ';
    printf("%*s%-*s ", indent, "", indent ? 46 : 17, text);
}

static void print_object(json_t *object, int indent)
{
    const char *name;
    json_t *value;
    size_t index;
    json_t *item;
    json_object_foreach(object, name, value)
    {
        if (json_is_object(value)) {
            printf("%s:\n", name);
            print_object(value, indent + 2);
        } else if (json_is_array(value)) {
            printf("%s:\n", name);
            json_array_foreach(value, index, item)
            {
                printf("  ");
                print_value(name, item);
                putchar('\n');
            }
        } else {
            print_name(name, indent, indent == 0);
            print_value(name, value);
            putchar('\n');
        }
    }
}

void sw_admin_report_free(struct sw_admin_report *report)
{
    if (report)
        json_decref(report->root);
    free(report);
}

bool sw_admin_report_print(const struct sw_admin_report *report, bool as_json)
{
    bool ok = true;
    if (as_json)
        ok = json_dumpf(report->root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0 && putchar('\n') != EOF;
    else
        print_object(report->root, 0);
    return fflush(stdout) == 0 && ok;
}

/* ---- progress ---- */

static struct {
    uint64_t started_us, shown_us;
    bool shown;
} line;

void sw_admin_progress(const char *verb, uint64_t symbols, uint64_t total, uint64_t bytes)
{
    char amount[NUMBER_SIZE], rate[NUMBER_SIZE], of[48] = "";
    const uint64_t now_us = sw_clock_us();
    if (isatty(STDERR_FILENO) != 1)
        return;
    if (!line.started_us)
        line.started_us = now_us;
    if (now_us - line.shown_us < PROGRESS_US)
        return;
    if (total >= symbols && total > 0)
        snprintf(of, sizeof(of), " of %llu", (unsigned long long)total);
    fprintf(stderr, "\r\033[K%s %llu%s symbols, %s, %s", verb, (unsigned long long)symbols, of,
            format_bytes(bytes, amount), format_rate(bytes, now_us - line.started_us, rate));
    line.shown_us = now_us;
    line.shown = true;
}

void sw_admin_progress_end(void)
{
    if (line.shown)
        fputs("\r\033[K", stderr);
    line.shown = false;
    line.started_us = line.shown_us = 0;
}
