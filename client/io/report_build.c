/* Reports: the counts of a retrieval's engine or of a store, with names. Freeing and printing are report.c's. */
#include "client/io/report_build.h"
#include "client/io/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill_waves(struct sw_report *report, const struct sw_wave_stats *stats)
{
    report->wave_count = stats->wave_count;
    for (uint32_t i = 0; i < stats->wave_count; i++) {
        const struct sw_wave_wave_stats *from = &stats->waves[i];
        report->waves[i] = (struct sw_report_wave){.keys_asked = from->keys_asked,
                                                   .found = from->found,
                                                   .missing = from->missing,
                                                   .failed = from->failed,
                                                   .corrupt = from->corrupt};
    }
}

/* Nodes that were asked, with copies of their names: a report outlives its client. */
static bool fill_nodes(struct sw_report *report, const struct retrieval *retrieval, const struct sw_wave_stats *stats)
{
    uint32_t asked = 0;
    for (uint32_t i = 0; i < retrieval->nodes->count; i++)
        asked += stats->nodes[i].requests > 0;
    struct sw_report_node *nodes = calloc(asked ? asked : 1, sizeof(*nodes));
    report->nodes = nodes;
    if (!nodes)
        return false;
    for (uint32_t i = 0; i < retrieval->nodes->count; i++) {
        const struct sw_wave_node_stats *from = &stats->nodes[i];
        if (from->requests == 0)
            continue;
        struct sw_report_node *node = &nodes[report->node_count++];
        *node = (struct sw_report_node){.id = strdup(retrieval->nodes->peers[i]->id),
                                        .address = strdup(retrieval->nodes->peers[i]->address),
                                        .requests = from->requests,
                                        .requests_failed = from->requests_failed,
                                        .keys_asked = from->keys_asked,
                                        .found = from->found,
                                        .missing = from->missing,
                                        .corrupt = from->corrupt,
                                        .bytes = from->bytes};
        if (retrieval->last_errors[i])
            snprintf(node->last_error, sizeof(node->last_error), "%s", retrieval->last_errors[i]);
        if (!node->id || !node->address)
            return false;
    }
    return true;
}

static bool fill_missing_sample(struct sw_report *report, const struct retrieval *retrieval)
{
    if (report->missing == 0)
        return true;
    struct sw_key *sample = calloc(SW_REPORT_MISSING_SAMPLE_MAX, sizeof(*sample));
    report->missing_sample = sample;
    if (!sample)
        return false;
    for (uint32_t i = 0; i < retrieval->key_count && report->missing_sample_count < SW_REPORT_MISSING_SAMPLE_MAX; i++)
        if (sw_wave_key_is_lost(retrieval->engine, i))
            sample[report->missing_sample_count++] = retrieval->keys[i];
    return true;
}

struct sw_report *sw_report_of_retrieval(const struct retrieval *retrieval)
{
    const struct sw_wave_stats *stats = sw_wave_stats(retrieval->engine);
    struct sw_report *report = calloc(1, sizeof(*report));
    if (!report)
        return NULL;
    report->status = retrieval->status;
    report->keys = retrieval->key_count;
    report->keys_duplicate = retrieval->keys_duplicate;
    report->required = stats->required;
    report->found_local = stats->found_local;
    report->found_network = stats->delivered - stats->found_local;
    report->missing = stats->required - stats->delivered;
    report->requests = stats->requests;
    report->requests_failed = stats->requests_failed;
    report->bytes = stats->bytes_delivered;
    report->bytes_received = stats->bytes_received;
    report->bytes_wasted = stats->bytes_wasted;
    report->symbols_wasted = stats->symbols_wasted;
    report->budget_bytes = retrieval->client->options.budget_bytes;
    report->budget_high_water_bytes = retrieval->budget_high_water_bytes;
    report->first_symbol_us = retrieval->first_symbol_us;
    report->elapsed_us = sw_clock_us() - retrieval->started_us;
    fill_waves(report, stats);
    if (fill_nodes(report, retrieval, stats) && fill_missing_sample(report, retrieval))
        return report;
    sw_report_free(report);
    return NULL;
}

struct sw_store_report *sw_report_of_store(const struct store_run *run)
{
    struct sw_store_report *report = malloc(sizeof(*report));
    struct sw_report_node *nodes = calloc(run->nodes->count, sizeof(*nodes));
    if (!report || !nodes) {
        free(report);
        free(nodes);
        return NULL;
    }
    *report = run->report;
    report->nodes = nodes;
    for (uint32_t i = 0; i < run->nodes->count; i++) {
        if (run->node[i].report.keys_asked == 0)
            continue;
        struct sw_report_node *node = &nodes[report->node_count++];
        *node = run->node[i].report;
        node->id = strdup(run->nodes->peers[i]->id);
        node->address = strdup(run->nodes->peers[i]->address);
        if (!node->id || !node->address) {
            sw_store_report_free(report);
            return NULL;
        }
    }
    return report;
}
