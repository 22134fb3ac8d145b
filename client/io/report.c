/* Reports after they are made: freeing. What fills them is report_build.c, what prints them report_json.c. */
#include "symwave/report.h"
#include "common/memory.h"

static void free_nodes(const struct sw_report_node *const *nodes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        sw_free((char *)nodes[i]->id);
        sw_free((char *)nodes[i]->address);
    }
    sw_free((void *)nodes);
}

void sw_report_free(struct sw_report *report)
{
    if (!report)
        return;
    free_nodes(report->nodes, report->node_count);
    sw_free((struct sw_key *)report->missing_sample);
    for (uint64_t i = 0; i < report->proof_sample_count; i++) {
        sw_free((char *)report->proofs[i]->node_id);
        sw_free((char *)report->proofs[i]->address);
    }
    sw_free((void *)report->proofs);
    sw_free((void *)report->waves);
    sw_free(report);
}

void sw_store_report_free(struct sw_store_report *report)
{
    if (!report)
        return;
    free_nodes(report->nodes, report->node_count);
    sw_free(report);
}
