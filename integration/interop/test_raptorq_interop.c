/*
 * The codec beside another implementation of RFC 6330, the crate raptorq as a program (src/main.rs): both make the same
 * symbols of an object, and each gives it back from random sets of the other's. Run by test_interop.sh, which builds
 * that program and names it in SYMWAVE_RAPTORQ_PEER.
 */
#include "integration/interop/peer.h"
#include "symwave/raptorq.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/* An object and packets of it (payload ID and symbol): of each block the source symbols and repair more, in order. */
struct sample {
    struct sw_raptorq_params params;
    char oti[2 * SW_RAPTORQ_OTI_BYTES + 1]; /* in hex */
    uint32_t repair;
    uint32_t *repair_esis; /* less the block's K, as blocks differ in it */
    size_t stride;
    struct bytes object; /* padded to whole symbols */
    struct bytes packets;
};

/* Packets of a block that determine it, by their place among the block's, and the plan that they give. */
struct choice {
    struct sw_raptorq_plan *plan;
    uint32_t *places, count;
};

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)rand() % limit;
}

/* 0 to count - 1 in random order. */
static uint32_t *random_order(uint32_t count)
{
    uint32_t *order = room(count * sizeof(*order));

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t place = random_below(i + 1);

        order[i] = order[place];
        order[place] = i;
    }
    return order;
}

/* ---- packets ---- */

static uint32_t esi_at(const struct sample *sample, uint32_t k, uint32_t place)
{
    return place < k ? place : k + sample->repair_esis[place - k];
}

/* The symbol at a place of a block. */
static uint8_t *symbol_at(const struct sample *sample, const struct bytes *packets, uint32_t sbn, uint32_t place)
{
    const uint64_t before = sw_raptorq_block_at(&sample->params, sbn).offset / sample->params.symbol_bytes;

    return packets->data + (before + (uint64_t)sbn * sample->repair + place) * sample->stride +
           SW_RAPTORQ_PAYLOAD_ID_BYTES;
}

/* The row of a source symbol in the object: its sub-symbol in one sub-block. */
static uint8_t *row_at(const struct sample *sample, const struct bytes *object, uint32_t sbn,
                       const struct sw_raptorq_sub_block *sub, uint32_t esi)
{
    return object->data + sw_raptorq_block_at(&sample->params, sbn).offset + sub->block_offset +
           esi * (size_t)sub->bytes;
}

static void run(const struct sw_raptorq_plan *plan, const struct sw_raptorq_targets *targets, size_t bytes,
                const uint8_t *const *inputs, uint8_t *const *outputs)
{
    void *work = room(sw_raptorq_run_bytes(plan, bytes));

    sw_raptorq_run(plan, targets, bytes, inputs, outputs, work);
    free(work);
}

/* Makes a block's packets, sub-block by sub-block. */
static void encode_block(struct sample *sample, uint32_t sbn)
{
    const uint32_t k = sw_raptorq_block_at(&sample->params, sbn).k, count = k + sample->repair;
    uint32_t *esis = room(count * sizeof(*esis));
    const uint8_t **inputs = room(k * sizeof(*inputs));
    uint8_t **outputs = room(count * sizeof(*outputs));
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *symbol = symbol_at(sample, &sample->packets, sbn, i);

        esis[i] = esi_at(sample, k, i);
        sw_raptorq_payload_id_write((uint8_t)sbn, esis[i], symbol - SW_RAPTORQ_PAYLOAD_ID_BYTES);
    }
    assert_int_equal(sw_raptorq_plan_new_encoder(k, &plan), SW_OK);
    assert_int_equal(sw_raptorq_targets_new(plan, esis, count, &targets), SW_OK);
    for (uint32_t s = 0; s < sample->params.sub_blocks; s++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&sample->params, sbn, s);

        for (uint32_t i = 0; i < k; i++)
            inputs[i] = row_at(sample, &sample->object, sbn, &sub, i);
        for (uint32_t i = 0; i < count; i++)
            outputs[i] = symbol_at(sample, &sample->packets, sbn, i) + sub.symbol_offset;
        run(plan, targets, sub.bytes, inputs, outputs);
    }
    sw_raptorq_targets_free(targets);
    sw_raptorq_plan_free(plan);
    free(outputs);
    free(inputs);
    free(esis);
}

/* Gives a block of the object back from chosen packets, sub-block by sub-block. */
static void decode_block(const struct sample *sample, const struct bytes *packets, uint32_t sbn,
                         const struct choice *choice, const struct bytes *object)
{
    const uint32_t k = sw_raptorq_block_at(&sample->params, sbn).k;
    uint32_t *esis = room(k * sizeof(*esis));
    const uint8_t **inputs = room(choice->count * sizeof(*inputs));
    uint8_t **outputs = room(k * sizeof(*outputs));
    struct sw_raptorq_targets *targets;

    for (uint32_t i = 0; i < k; i++)
        esis[i] = i;
    assert_int_equal(sw_raptorq_targets_new(choice->plan, esis, k, &targets), SW_OK);
    for (uint32_t s = 0; s < sample->params.sub_blocks; s++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&sample->params, sbn, s);

        for (uint32_t i = 0; i < choice->count; i++)
            inputs[i] = symbol_at(sample, packets, sbn, choice->places[i]) + sub.symbol_offset;
        for (uint32_t i = 0; i < k; i++)
            outputs[i] = row_at(sample, object, sbn, &sub, i);
        run(choice->plan, targets, sub.bytes, inputs, outputs);
    }
    sw_raptorq_targets_free(targets);
    free(outputs);
    free(inputs);
    free(esis);
}

/* repair packets a block: those that follow on the source symbols, or any up to the last there can be. */
static struct sample make_sample(struct sw_raptorq_params params, uint32_t repair, bool far)
{
    struct sample sample = {
        .params = params, .repair = repair, .stride = params.symbol_bytes + SW_RAPTORQ_PAYLOAD_ID_BYTES};
    const uint64_t symbols = (params.bytes + params.symbol_bytes - 1) / params.symbol_bytes;
    const uint32_t step = (SW_RAPTORQ_ESI_MAX - sw_raptorq_block_at(&params, 0).k) / (repair + 1);
    struct sw_error error = {.message = ""};
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];

    if (sw_raptorq_params_check(&params, &error) != SW_OK)
        fail_msg("%s", error.message);
    sw_raptorq_oti_write(&params, oti);
    for (size_t i = 0; i < sizeof(oti); i++)
        snprintf(sample.oti + 2 * i, 3, "%02x", oti[i]);
    sample.repair_esis = room(repair * sizeof(*sample.repair_esis));
    for (uint32_t i = 0; i < repair; i++)
        sample.repair_esis[i] = far ? i * step + random_below(step) : i;
    sample.object.count = symbols * params.symbol_bytes;
    sample.object.data = room(sample.object.count);
    for (size_t i = 0; i < params.bytes; i++)
        sample.object.data[i] = (uint8_t)(rand() >> 8);
    sample.packets.count = (symbols + (uint64_t)params.blocks * repair) * sample.stride;
    sample.packets.data = room(sample.packets.count);
    for (uint32_t sbn = 0; sbn < params.blocks; sbn++)
        encode_block(&sample, sbn);
    return sample;
}

static void free_sample(struct sample *sample)
{
    free(sample->packets.data);
    free(sample->object.data);
    free(sample->repair_esis);
}

/* ---- choices ---- */

/* Takes packets of a block at random, source symbols among them or not: K + extra, or as many as determine it. */
static struct choice choose(const struct sample *sample, uint32_t sbn, bool source, uint32_t extra)
{
    const uint32_t k = sw_raptorq_block_at(&sample->params, sbn).k, first = source ? 0 : k;
    const uint32_t limit = k + sample->repair - first;
    struct choice choice = {.places = random_order(limit)};
    uint32_t *esis = room(limit * sizeof(*esis));
    enum sw_status status = SW_SHORT;

    for (uint32_t i = 0; i < limit; i++) {
        choice.places[i] += first;
        esis[i] = esi_at(sample, k, choice.places[i]);
    }
    for (choice.count = k + extra; status == SW_SHORT && choice.count <= limit; choice.count++)
        status = sw_raptorq_plan_new(k, esis, choice.count, &choice.plan, NULL);
    choice.count--;
    assert_int_equal(status, SW_OK);
    free(esis);
    return choice;
}

/* A choice in each block. */
static struct choice *choose_all(const struct sample *sample, bool source, uint32_t extra)
{
    struct choice *choices = room(sample->params.blocks * sizeof(*choices));

    for (uint32_t sbn = 0; sbn < sample->params.blocks; sbn++)
        choices[sbn] = choose(sample, sbn, source, extra);
    return choices;
}

static void free_choices(const struct sample *sample, struct choice *choices)
{
    for (uint32_t sbn = 0; sbn < sample->params.blocks; sbn++) {
        sw_raptorq_plan_free(choices[sbn].plan);
        free(choices[sbn].places);
    }
    free(choices);
}

/* The chosen packets of all blocks in random order. */
static struct bytes gather(const struct sample *sample, const struct choice *choices)
{
    uint32_t count = 0, *order;
    struct bytes chosen = {0};

    for (uint32_t sbn = 0; sbn < sample->params.blocks; sbn++)
        count += choices[sbn].count;
    order = random_order(count);
    chosen.count = count * sample->stride;
    chosen.data = room(chosen.count);
    for (uint32_t sbn = 0, next = 0; sbn < sample->params.blocks; sbn++) {
        for (uint32_t i = 0; i < choices[sbn].count; i++) {
            const uint8_t *symbol = symbol_at(sample, &sample->packets, sbn, choices[sbn].places[i]);

            memcpy(chosen.data + order[next++] * sample->stride, symbol - SW_RAPTORQ_PAYLOAD_ID_BYTES, sample->stride);
        }
    }
    free(order);
    return chosen;
}

/* ---- what must hold ---- */

/* A random set of our packets, as small as can be but for extra in each block, gives the object there. */
static void check_peer_decodes(const struct sample *sample, bool source, uint32_t extra)
{
    struct choice *choices = choose_all(sample, source, extra);
    struct bytes chosen = gather(sample, choices), object = ask_peer("decode", sample->oti, NULL, &chosen);

    assert_int_equal(object.count, sample->params.bytes);
    assert_memory_equal(object.data, sample->object.data, object.count);
    free(object.data);
    free(chosen.data);
    free_choices(sample, choices);
}

static void check_we_decode(const struct sample *sample, const struct bytes *packets, bool source, uint32_t extra)
{
    struct choice *choices = choose_all(sample, source, extra);
    struct bytes object = {.data = room(sample->object.count), .count = sample->object.count};

    for (uint32_t sbn = 0; sbn < sample->params.blocks; sbn++)
        decode_block(sample, packets, sbn, &choices[sbn], &object);
    assert_memory_equal(object.data, sample->object.data, object.count);
    free(object.data);
    free_choices(sample, choices);
}

/* All of the above for one object, with enough repair symbols that they suffice by themselves. */
static void check_object(struct sw_raptorq_params params)
{
    struct sample sample = make_sample(params, sw_raptorq_block_at(&params, 0).k + 6, false);
    struct bytes object = {.data = sample.object.data, .count = params.bytes}, packets;
    char repair[16];

    snprintf(repair, sizeof(repair), "%u", sample.repair);
    packets = ask_peer("encode", sample.oti, repair, &object);
    assert_int_equal(packets.count, sample.packets.count);
    assert_memory_equal(packets.data, sample.packets.data, packets.count);
    for (int source = 0; source < 2; source++) {
        check_peer_decodes(&sample, source, 0);
        check_we_decode(&sample, &packets, source, 0);
    }
    check_peer_decodes(&sample, true, 2);
    check_we_decode(&sample, &packets, true, 2);
    free(packets.data);
    free_sample(&sample);
}

static void check_derived(uint64_t bytes, const struct sw_raptorq_limits *limits, uint32_t blocks, uint32_t sub_blocks)
{
    struct sw_raptorq_params params;

    assert_int_equal(sw_raptorq_params_derive(bytes, limits, &params, NULL), SW_OK);
    assert_int_equal(params.blocks, blocks);
    assert_int_equal(params.sub_blocks, sub_blocks);
    check_object(params);
}

static void test_one_symbol(void **state)
{
    (void)state;
    check_object(
        (struct sw_raptorq_params){.bytes = 1, .symbol_bytes = 1, .blocks = 1, .sub_blocks = 1, .alignment = 1});
    check_object(
        (struct sw_raptorq_params){.bytes = 5, .symbol_bytes = 8, .blocks = 1, .sub_blocks = 2, .alignment = 4});
}

/* Blocks of 34, 33 and 33 symbols. */
static void test_blocks_of_unequal_sizes(void **state)
{
    (void)state;
    check_object(
        (struct sw_raptorq_params){.bytes = 1000, .symbol_bytes = 10, .blocks = 3, .sub_blocks = 1, .alignment = 1});
}

/* Blocks of 97 and 96 symbols, the last cut short; sub-symbols of 24, 20 and 20 bytes. */
static void test_sub_blocks_of_unequal_sizes(void **state)
{
    (void)state;
    check_object(
        (struct sw_raptorq_params){.bytes = 12345, .symbol_bytes = 64, .blocks = 2, .sub_blocks = 3, .alignment = 4});
}

/* 255 blocks of 2 symbols or 1; sub-symbols of a byte each. */
static void test_as_many_blocks_and_sub_blocks_as_can_be(void **state)
{
    (void)state;
    check_object(
        (struct sw_raptorq_params){.bytes = 1500, .symbol_bytes = 5, .blocks = 255, .sub_blocks = 5, .alignment = 1});
}

/* Derived for packets of 1,280 bytes in 64 KiB of memory, as a program other than Symwave might. */
static void test_parameters_of_another_program(void **state)
{
    const struct sw_raptorq_limits limits = {
        .packet_bytes_max = 1280, .alignment = 8, .sub_symbol_min = 8, .memory_bytes = 65536};

    (void)state;
    check_derived(3000003, &limits, 3, 16);
}

static void test_random_parameters(void **state)
{
    static const uint32_t alignments[] = {1, 4, 8};

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct sw_raptorq_params params = {.alignment = alignments[random_below(3)]};
        const uint32_t units = 1 + random_below(40), symbols = 1 + random_below(300);

        params.symbol_bytes = units * params.alignment;
        params.sub_blocks = 1 + random_below(units);
        params.blocks = 1 + random_below(symbols < 8 ? symbols : 8);
        params.bytes = (uint64_t)symbols * params.symbol_bytes - random_below(params.symbol_bytes);
        check_object(params);
    }
}

static void test_1_megabyte_as_symwave_cuts_it(void **state)
{
    (void)state;
    check_derived(1000000, NULL, 1, 1);
}

static void test_10_megabytes_as_symwave_cuts_them(void **state)
{
    (void)state;
    check_derived(10000000, NULL, 1, 1);
}

static void test_40_megabytes_in_4_sub_blocks_as_symwave_cuts_them(void **state)
{
    (void)state;
    check_derived(40000000, NULL, 1, 4);
}

/* Symbols' numbers from anywhere in their 24 bits. */
static void test_far_repair_symbols(void **state)
{
    const struct sw_raptorq_params params = {
        .bytes = 9999, .symbol_bytes = 48, .blocks = 2, .sub_blocks = 3, .alignment = 8};
    struct sample sample = make_sample(params, 200, true);

    (void)state;
    for (uint32_t extra = 0; extra < 3; extra++) {
        check_peer_decodes(&sample, false, extra);
        check_peer_decodes(&sample, true, extra);
    }
    free_sample(&sample);
}

/* K symbols of which ours says that they do not determine the block, which is so for one choice in some hundreds. */
static void test_what_falls_short_here_falls_short_there(void **state)
{
    const struct sw_raptorq_params params = {
        .bytes = 160, .symbol_bytes = 16, .blocks = 1, .sub_blocks = 1, .alignment = 1};
    struct sample sample = make_sample(params, 200, true);
    char message[PEER_MESSAGE_BYTES];

    (void)state;
    for (int found = 0, tries = 0; found < 3; tries++) {
        struct choice *choices = choose_all(&sample, false, 0);

        assert_in_range(tries, 0, 100000);
        if (choices[0].count > 10) {
            struct bytes chosen, output;

            choices[0].count = 10;
            chosen = gather(&sample, choices);
            assert_int_equal(run_peer("decode", sample.oti, NULL, &chosen, &output, message), 1);
            assert_non_null(strstr(message, "10 packets do not suffice for 10 source symbols"));
            assert_int_equal(output.count, 0);
            free(output.data);
            free(chosen.data);
            found++;
        }
        free_choices(&sample, choices);
    }
    free_sample(&sample);
}

int main(void)
{
    const char *text = getenv("SYMWAVE_SEED");
    const unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 0) : 20110801;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_symbol),
        cmocka_unit_test(test_blocks_of_unequal_sizes),
        cmocka_unit_test(test_sub_blocks_of_unequal_sizes),
        cmocka_unit_test(test_as_many_blocks_and_sub_blocks_as_can_be),
        cmocka_unit_test(test_parameters_of_another_program),
        cmocka_unit_test(test_random_parameters),
        cmocka_unit_test(test_1_megabyte_as_symwave_cuts_it),
        cmocka_unit_test(test_10_megabytes_as_symwave_cuts_them),
        cmocka_unit_test(test_40_megabytes_in_4_sub_blocks_as_symwave_cuts_them),
        cmocka_unit_test(test_far_repair_symbols),
        cmocka_unit_test(test_what_falls_short_here_falls_short_there),
    };

    if (getenv("SYMWAVE_RAPTORQ_PEER") == NULL) {
        fprintf(stderr, "SYMWAVE_RAPTORQ_PEER names no program: run integration/interop/test_interop.sh\n");
        return 2;
    }
    printf("SYMWAVE_SEED=%u\n", seed);
    srand(seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
