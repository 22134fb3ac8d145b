/* Why a retrieval was slow, or took more than it delivered: nothing is said where nothing of the kind was. */
#include "client/cli/cli.h"
#include "client/cli/summary.h"
#include "common/format.h"
#include <stdlib.h>

#define NODES_SHOWN 3

typedef unsigned long long u64; /* for printf */

static int more_of_tail(const void *a, const void *b)
{
    const struct sw_report_node *x = *(const struct sw_report_node *const *)a;
    const struct sw_report_node *y = *(const struct sw_report_node *const *)b;

    if (x->tail_symbols != y->tail_symbols)
        return x->tail_symbols > y->tail_symbols ? -1 : 1;
    return x < y ? -1 : 1; /* as the report has them */
}

/* The nodes with the most of the last symbols. */
static void print_tail_nodes(FILE *out, const struct sw_report *report)
{
    const struct sw_report_node **nodes = calloc(report->node_count + 1, sizeof(struct sw_report_node *));
    uint64_t count = 0;
    char wait[NUMBER_SIZE];

    for (uint64_t i = 0; nodes && i < report->node_count; i++)
        if (report->nodes[i]->tail_symbols > 0)
            nodes[count++] = report->nodes[i];
    if (count > 0)
        qsort(nodes, count, sizeof(struct sw_report_node *), more_of_tail);
    for (uint64_t i = 0; i < count && i < NODES_SHOWN; i++)
        fprintf(out, "%s %s %llu (up to %s)", i == 0 ? ":" : ",", nodes[i]->id, (u64)nodes[i]->tail_symbols,
                format_time(nodes[i]->tail_wait_us, wait));
    if (count > NODES_SHOWN)
        fprintf(out, ", %llu more", (u64)(count - NODES_SHOWN));
    free(nodes);
}

/* The waves of the last symbols, unless all are of the first. */
static void print_tail_waves(FILE *out, const struct sw_report *report)
{
    const char *before = ";";

    if (report->wave_count == 0 || report->waves[0]->tail_symbols == report->tail_symbols)
        return;
    for (uint32_t i = 0; i < report->wave_count && i < SW_WAVES_MAX; i++) {
        if (report->waves[i]->tail_symbols == 0)
            continue;
        fprintf(out, "%s wave %u %llu", before, i, (u64)report->waves[i]->tail_symbols);
        before = ",";
    }
}

static void print_wasted(FILE *out, const struct sw_report *report)
{
    const struct {
        const char *cause;
        uint64_t bytes;
    } causes[] = {
        {"corrupt", report->wasted_corrupt_bytes},     {"unasked", report->wasted_unasked_bytes},
        {"duplicate", report->wasted_duplicate_bytes}, {"late", report->wasted_late_bytes},
        {"hedge", report->wasted_hedge_bytes},
    };
    const char *before = "  wasted        ";
    char bytes[NUMBER_SIZE];

    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i].bytes == 0)
            continue;
        fprintf(out, "%s%s %s", before, format_bytes(causes[i].bytes, bytes), causes[i].cause);
        before = ", ";
    }
    if (before[0] == ',')
        fputc('\n', out);
}

void print_reasons(FILE *out, const struct sw_report *report)
{
    char time[NUMBER_SIZE];

    print_wasted(out, report);
    if (report->leases_out > 0)
        fprintf(out, "  overdue       %llu answers, %llu of them for long; %llu came all the same\n",
                (u64)report->leases_out, (u64)report->leases_lapsed, (u64)report->late_found);
    if (report->hedges_sent > 0)
        fprintf(out, "  hedges        %llu sent, %llu won\n", (u64)report->hedges_sent, (u64)report->hedges_won);
    if (report->tail_symbols > 1) {
        fprintf(out, "  slowest 5 %%   %llu symbols in %s", (u64)report->tail_symbols,
                format_time(report->tail_us, time));
        print_tail_nodes(out, report);
        print_tail_waves(out, report);
        fputc('\n', out);
    }
}
