/*
 * The ideal: the smallest time T for which a flow of required symbols exists, from nodes, each with as many as it can
 * send until T, to keys, each taking one, along "this node can give this key".
 *
 * Keys with the same nodes are one group, which makes the graph small. The flow is found by augmenting paths, level by
 * level. Source: Dinic, Algorithm for solution of a problem of maximum flow in networks, 1970.
 */
#include "client/core/test/sim_ideal.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct group {
    const uint32_t *nodes; /* sorted, SIM_IDEAL_NONE last */
    uint32_t keys;
};

struct edge {
    uint32_t to, room, back; /* back: the edge the other way */
};

/* Vertices: the source, the nodes, the groups, the sink. */
struct graph {
    uint32_t vertex_count, source, sink, first_group;
    uint32_t *first_edges; /* of each vertex, and one more */
    struct edge *edges;
    uint32_t *rooms; /* as they are before any flow */
    uint32_t edge_count;
    uint32_t *levels, *at, *queue;
};

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    SIM_NEEDS(memory);
    return memory;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t compare_width; /* numbers in a row, for qsort */

static int compare_rows(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    for (uint32_t i = 0; i < compare_width; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* The keys' rows sorted, and the distinct ones among them with their numbers; returns how many. */
static uint32_t find_groups(const struct sim_ideal *ideal, uint32_t *rows, struct group *groups)
{
    uint32_t k = ideal->candidate_count, count = 0;

    memcpy(rows, ideal->candidates, (size_t)ideal->key_count * k * sizeof(*rows));
    for (uint32_t i = 0; i < ideal->key_count; i++)
        qsort(&rows[(size_t)i * k], k, sizeof(*rows), compare_numbers);
    compare_width = k;
    qsort(rows, ideal->key_count, k * sizeof(*rows), compare_rows);
    for (uint32_t i = 0; i < ideal->key_count; i++) {
        const uint32_t *row = &rows[(size_t)i * k];
        if (row[0] == SIM_IDEAL_NONE)
            continue;
        if (count == 0 || compare_rows(groups[count - 1].nodes, row) != 0)
            groups[count++] = (struct group){.nodes = row};
        groups[count - 1].keys++;
    }
    return count;
}

/* Adds an edge; first_edges[from + 1] and [to + 1] count, or, in the second pass, say where it goes. */
static void add_edge(struct graph *graph, uint32_t from, uint32_t to, uint32_t room)
{
    uint32_t a = graph->at[from]++, b = graph->at[to]++;

    if (!graph->edges)
        return;
    graph->edges[a] = (struct edge){.to = to, .room = room, .back = b};
    graph->edges[b] = (struct edge){.to = from, .room = 0, .back = a};
}

static void add_edges(struct graph *graph, const struct sim_ideal *ideal, const struct group *groups, uint32_t count)
{
    for (uint32_t n = 0; n < ideal->node_count; n++)
        add_edge(graph, graph->source, 1 + n, 0);
    for (uint32_t g = 0; g < count; g++) {
        for (uint32_t i = 0; i < ideal->candidate_count && groups[g].nodes[i] != SIM_IDEAL_NONE; i++)
            add_edge(graph, 1 + groups[g].nodes[i], graph->first_group + g, groups[g].keys);
        add_edge(graph, graph->first_group + g, graph->sink, groups[g].keys);
    }
}

static struct graph make_graph(const struct sim_ideal *ideal, const struct group *groups, uint32_t count)
{
    struct graph graph = {.vertex_count = ideal->node_count + count + 2,
                          .first_group = 1 + ideal->node_count,
                          .sink = 1 + ideal->node_count + count};

    graph.first_edges = make(graph.vertex_count + 1, sizeof(*graph.first_edges));
    graph.levels = make(graph.vertex_count, sizeof(*graph.levels));
    graph.at = make(graph.vertex_count, sizeof(*graph.at));
    graph.queue = make(graph.vertex_count, sizeof(*graph.queue));
    add_edges(&graph, ideal, groups, count);
    for (uint32_t v = 0; v < graph.vertex_count; v++) {
        graph.first_edges[v + 1] = graph.first_edges[v] + graph.at[v];
        graph.at[v] = graph.first_edges[v];
    }
    graph.edge_count = graph.first_edges[graph.vertex_count];
    graph.edges = make(graph.edge_count, sizeof(*graph.edges));
    graph.rooms = make(graph.edge_count, sizeof(*graph.rooms));
    add_edges(&graph, ideal, groups, count);
    for (uint32_t e = 0; e < graph.edge_count; e++)
        graph.rooms[e] = graph.edges[e].room;
    return graph;
}

static void free_graph(struct graph *graph)
{
    free(graph->first_edges);
    free(graph->edges);
    free(graph->rooms);
    free(graph->levels);
    free(graph->at);
    free(graph->queue);
}

/* How far each vertex is from the source; false where the sink is out of reach. */
static bool find_levels(struct graph *graph)
{
    uint32_t head = 0, tail = 0;

    memset(graph->levels, 0xff, graph->vertex_count * sizeof(*graph->levels));
    graph->levels[graph->source] = 0;
    graph->queue[tail++] = graph->source;
    while (head < tail) {
        uint32_t v = graph->queue[head++];
        for (uint32_t e = graph->first_edges[v]; e < graph->first_edges[v + 1]; e++) {
            uint32_t to = graph->edges[e].to;
            if (graph->edges[e].room > 0 && graph->levels[to] == UINT32_MAX) {
                graph->levels[to] = graph->levels[v] + 1;
                graph->queue[tail++] = to;
            }
        }
    }
    return graph->levels[graph->sink] != UINT32_MAX;
}

static uint32_t push(struct graph *graph, uint32_t v, uint32_t limit)
{
    uint32_t pushed = 0;

    if (v == graph->sink)
        return limit;
    for (; graph->at[v] < graph->first_edges[v + 1]; graph->at[v]++) {
        struct edge *edge = &graph->edges[graph->at[v]];
        if (edge->room == 0 || graph->levels[edge->to] != graph->levels[v] + 1)
            continue;
        uint32_t wanted = limit - pushed < edge->room ? limit - pushed : edge->room;
        uint32_t sent = push(graph, edge->to, wanted);
        edge->room -= sent;
        graph->edges[edge->back].room += sent;
        pushed += sent;
        if (pushed == limit)
            return pushed;
    }
    return pushed;
}

/* How many symbols the node can have brought to the client's side of the downlink by the time. */
static uint32_t symbols_until(const struct sim_ideal *ideal, const struct sim_ideal_node *node, uint64_t ns)
{
    uint64_t before_ns = node->round_trip_ns + node->first_ns + ideal->downlink_ns;

    if (ns < before_ns || node->symbols_max == 0)
        return 0;
    uint64_t symbols = 1 + (ns - before_ns) / node->next_ns;
    if (symbols > node->symbols_max)
        symbols = node->symbols_max;
    return symbols < ideal->required ? (uint32_t)symbols : ideal->required;
}

static bool is_possible(struct graph *graph, const struct sim_ideal *ideal, uint64_t ns)
{
    uint32_t flow = 0;
    uint64_t capacity = 0;

    for (uint32_t e = 0; e < graph->edge_count; e++)
        graph->edges[e].room = graph->rooms[e];
    for (uint32_t n = 0; n < ideal->node_count; n++) {
        graph->edges[n].room = symbols_until(ideal, &ideal->nodes[n], ns);
        capacity += graph->edges[n].room;
    }
    while (capacity >= ideal->required && flow < ideal->required && find_levels(graph)) {
        memcpy(graph->at, graph->first_edges, graph->vertex_count * sizeof(*graph->at));
        flow += push(graph, graph->source, ideal->required - flow);
    }
    return flow >= ideal->required;
}

/* When the first symbol can have come to the downlink, and from then on it is never idle. */
static uint64_t downlink_bound_ns(const struct sim_ideal *ideal)
{
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t n = 0; n < ideal->node_count; n++) {
        uint64_t ns = ideal->nodes[n].round_trip_ns + ideal->nodes[n].first_ns;
        if (ideal->nodes[n].symbols_max > 0 && ns < first_ns)
            first_ns = ns;
    }
    return first_ns == UINT64_MAX ? first_ns : first_ns + ideal->required * ideal->downlink_ns;
}

uint64_t sim_ideal_us(const struct sim_ideal *ideal)
{
    uint32_t *rows = make((size_t)ideal->key_count * ideal->candidate_count, sizeof(*rows));
    struct group *groups = make(ideal->key_count, sizeof(*groups));
    uint32_t count = find_groups(ideal, rows, groups);
    struct graph graph = make_graph(ideal, groups, count);
    uint64_t low_us = downlink_bound_ns(ideal) / 1000, step_us = 1 + low_us / 4, high_us = low_us;
    const uint64_t never_us = UINT64_C(1) << 50;

    while (high_us < never_us && !is_possible(&graph, ideal, high_us * 1000)) {
        low_us = high_us + 1;
        high_us += step_us;
        step_us *= 2;
    }
    while (high_us < never_us && low_us < high_us) {
        uint64_t middle_us = low_us + (high_us - low_us) / 2;
        if (is_possible(&graph, ideal, middle_us * 1000))
            high_us = middle_us;
        else
            low_us = middle_us + 1;
    }
    free_graph(&graph);
    free(groups);
    free(rows);
    return high_us < never_us ? high_us : UINT64_MAX;
}
