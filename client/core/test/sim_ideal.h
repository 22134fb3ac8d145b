/*
 * The ideal: how soon a retrieval could be over if everything about the nodes were known beforehand. No schedule is
 * faster, so that a real one is judged by how many times longer it takes.
 */
#ifndef SW_TEST_SIM_IDEAL_H
#define SW_TEST_SIM_IDEAL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What a simulation cannot do without, such as memory. */
#define SIM_NEEDS(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: the simulation needs %s\n", __FILE__, __LINE__, #condition);                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define SIM_IDEAL_NONE UINT32_MAX

struct sim_ideal_node {
    uint64_t round_trip_ns;
    uint64_t first_ns, next_ns; /* that its first symbol takes to leave it, and each later one */
    uint32_t symbols_max;
};

struct sim_ideal {
    const struct sim_ideal_node *nodes;
    uint32_t node_count;
    /* Of each key the nodes that can give it, candidate_count a key, SIM_IDEAL_NONE where there are fewer. */
    const uint32_t *candidates;
    uint32_t key_count, candidate_count;
    uint32_t required;
    uint64_t downlink_ns; /* that a symbol takes on the client's downlink, which all of them share */
};

/* The soonest time at which required keys can have come, rounded down to us; UINT64_MAX where they never can. */
uint64_t sim_ideal_us(const struct sim_ideal *ideal);

#endif
