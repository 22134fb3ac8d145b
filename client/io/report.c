/* Reports after they are made: freeing. What fills them is report_build.c, what prints them report_json.c. */
#include "symwave/report.h"
#include <stdlib.h>

static void free_nodes(const struct sw_report_node *nodes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        free((char *)nodes[i].id);
        free((char *)nodes[i].address);
    }
    free((struct sw_report_node *)nodes);
}

void sw_report_free(struct sw_report *report)
{
    if (!report)
        return;
    free_nodes(report->nodes, report->node_count);
    free((struct sw_key *)report->missing_sample);
    for (uint64_t i = 0; i < report->proof_sample_count; i++) {
        free((char *)report->proofs[i].node_id);
        free((char *)report->proofs[i].address);
    }
    free((struct sw_corrupt_proof *)report->proofs);
    free(report);
}

void sw_store_report_free(struct sw_store_report *report)
{
    if (!report)
        return;
    free_nodes(report->nodes, report->node_count);
    free(report);
}
