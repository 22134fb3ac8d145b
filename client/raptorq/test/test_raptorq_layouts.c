/*
 * The reference layouts (data/README.md): encoding their input gives exactly their symbols, in order, and random sets
 * of these symbols give the input back, sub-block by sub-block.
 */
#include "client/raptorq/test/aes_ctr.h"
#include "symwave/key.h"
#include "symwave/raptorq.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/* An input, and its symbols as put writes them. */
struct sample {
    struct sw_raptorq_params params;
    uint32_t k, repair;
    uint8_t *object;  /* padded to whole symbols */
    uint8_t *symbols; /* payload ID and bytes of each */
    size_t stride;
};

static uint8_t *symbol(const struct sample *sample, uint32_t esi)
{
    return sample->symbols + esi * sample->stride + SW_RAPTORQ_PAYLOAD_ID_BYTES;
}

static void encode_sub_block(struct sample *sample, const struct sw_raptorq_plan *plan,
                             const struct sw_raptorq_targets *targets, uint32_t index)
{
    const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&sample->params, 0, index);
    const uint32_t count = sample->k + sample->repair;
    const uint8_t **inputs = calloc(sample->k, sizeof(*inputs));
    uint8_t **outputs = calloc(count, sizeof(*outputs));
    void *work = malloc(sw_raptorq_run_bytes(plan, sub.bytes));

    assert_true(inputs != NULL && outputs != NULL && work != NULL);
    for (uint32_t i = 0; i < sample->k; i++)
        inputs[i] = sample->object + sub.block_offset + (size_t)i * sub.bytes;
    for (uint32_t i = 0; i < count; i++)
        outputs[i] = symbol(sample, i) + sub.symbol_offset;
    sw_raptorq_run(plan, targets, sub.bytes, inputs, outputs, work);
    free(work);
    free(outputs);
    free(inputs);
}

static struct sample encode(size_t bytes)
{
    struct sample sample = {0};
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;
    uint32_t *esis;

    assert_int_equal(sw_raptorq_params_derive(bytes, NULL, &sample.params, NULL), SW_OK);
    assert_int_equal(sample.params.blocks, 1);
    sample.k = sw_raptorq_block_at(&sample.params, 0).k;
    sample.repair = bytes <= 65535 ? 6 : (uint32_t)((bytes * 5 + 65534) / 65535);
    sample.stride = sample.params.symbol_bytes + SW_RAPTORQ_PAYLOAD_ID_BYTES;
    sample.object = calloc(sample.k, sample.params.symbol_bytes);
    sample.symbols = malloc((sample.k + sample.repair) * sample.stride);
    esis = calloc(sample.k + sample.repair, sizeof(*esis));
    assert_true(sample.object != NULL && sample.symbols != NULL && esis != NULL);
    aes_ctr_fill(sample.object, bytes);
    for (uint32_t i = 0; i < sample.k + sample.repair; i++) {
        esis[i] = i;
        sw_raptorq_payload_id_write(0, i, sample.symbols + i * sample.stride);
    }
    assert_int_equal(sw_raptorq_plan_new_encoder(sample.k, &plan), SW_OK);
    assert_int_equal(sw_raptorq_targets_new(plan, esis, sample.k + sample.repair, &targets), SW_OK);
    for (uint32_t i = 0; i < sample.params.sub_blocks; i++)
        encode_sub_block(&sample, plan, targets, i);
    sw_raptorq_targets_free(targets);
    sw_raptorq_plan_free(plan);
    free(esis);
    return sample;
}

static void end(struct sample *sample)
{
    free(sample->object);
    free(sample->symbols);
}

static json_t *read_layout(size_t bytes, json_t **block)
{
    char path[512];
    json_error_t error;
    json_t *layout;

    snprintf(path, sizeof(path), "%s/client/raptorq/test/data/layout-%zu.json", SYMWAVE_SOURCE_DIR, bytes);
    layout = json_load_file(path, 0, &error);
    if (layout == NULL)
        fail_msg("%s: %s", path, error.text);
    *block = json_array_get(json_object_get(layout, "blocks"), 0);
    return layout;
}

static void check_layout(const struct sample *sample, size_t bytes)
{
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    char text[SW_KEY_BASE58_SIZE];
    struct sw_key key;
    json_t *block, *layout = read_layout(bytes, &block), *symbols = json_object_get(block, "symbols");

    key = sw_key_of_value(sample->object, bytes);
    sw_key_to_base58(&key, text);
    assert_string_equal(text, json_string_value(json_object_get(block, "hash")));
    sw_raptorq_oti_write(&sample->params, oti);
    for (size_t i = 0; i < sizeof(oti); i++)
        assert_int_equal(oti[i], json_integer_value(json_array_get(json_object_get(block, "encoder_parameters"), i)));
    assert_int_equal(json_array_size(symbols), sample->k + sample->repair);
    for (uint32_t i = 0; i < sample->k + sample->repair; i++) {
        key = sw_key_of_value(sample->symbols + i * sample->stride, sample->stride);
        sw_key_to_base58(&key, text);
        assert_string_equal(text, json_string_value(json_array_get(symbols, i)));
    }
    json_decref(layout);
}

static void decode_sub_block(const struct sample *sample, const struct sw_raptorq_decoder *decoder,
                             const struct sw_raptorq_targets *targets, uint32_t index, uint8_t *object)
{
    const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&sample->params, 0, index);
    const struct sw_raptorq_plan *plan = sw_raptorq_decoder_plan(decoder);
    uint32_t count;
    const uint32_t *esis = sw_raptorq_decoder_esis(decoder, &count);
    const uint8_t **inputs = calloc(count, sizeof(*inputs));
    uint8_t **outputs = calloc(sample->k, sizeof(*outputs));
    void *work = malloc(sw_raptorq_run_bytes(plan, sub.bytes));

    assert_true(inputs != NULL && outputs != NULL && work != NULL);
    for (uint32_t i = 0; i < count; i++)
        inputs[i] = symbol(sample, esis[i]) + sub.symbol_offset;
    for (uint32_t i = 0; i < sample->k; i++)
        outputs[i] = object + sub.block_offset + (size_t)i * sub.bytes;
    sw_raptorq_run(plan, targets, sub.bytes, inputs, outputs, work);
    free(work);
    free(outputs);
    free(inputs);
}

/* Takes symbols from [from, to) in random order, extra more than K of them or as many more as it takes. */
static void check_decode(const struct sample *sample, uint32_t from, uint32_t to, uint32_t extra)
{
    const size_t bytes = (size_t)sample->k * sample->params.symbol_bytes;
    uint32_t *order = calloc(to - from, sizeof(*order)), *all = calloc(sample->k, sizeof(*all)), taken = 0;
    uint8_t *object = calloc(sample->k, sample->params.symbol_bytes);
    struct sw_raptorq_decoder *decoder;
    struct sw_raptorq_targets *targets;

    assert_true(order != NULL && all != NULL && object != NULL);
    for (uint32_t i = 0; i < to - from; i++) {
        const uint32_t place = (uint32_t)rand() % (i + 1);

        order[i] = order[place];
        order[place] = from + i;
    }
    for (uint32_t i = 0; i < sample->k; i++)
        all[i] = i;
    assert_int_equal(sw_raptorq_decoder_new(sample->k, &decoder), SW_OK);
    while (taken < sample->k + extra || sw_raptorq_decoder_check(decoder, NULL) != SW_OK) {
        assert_true(taken < to - from);
        assert_int_equal(sw_raptorq_decoder_add(decoder, order[taken++], NULL), SW_OK);
    }
    assert_int_equal(sw_raptorq_decoder_check(decoder, NULL), SW_OK);
    if (sw_raptorq_decoder_plan(decoder) != NULL) {
        assert_int_equal(sw_raptorq_targets_new(sw_raptorq_decoder_plan(decoder), all, sample->k, &targets), SW_OK);
        for (uint32_t i = 0; i < sample->params.sub_blocks; i++)
            decode_sub_block(sample, decoder, targets, i, object);
        assert_memory_equal(object, sample->object, bytes);
        sw_raptorq_targets_free(targets);
    } else {
        assert_int_equal(sw_raptorq_decoder_lost(decoder, all), 0);
    }
    sw_raptorq_decoder_free(decoder);
    free(object);
    free(all);
    free(order);
}

static void check_size(size_t bytes)
{
    struct sample sample = encode(bytes);
    const uint32_t all = sample.k + sample.repair;

    check_layout(&sample, bytes);
    check_decode(&sample, 0, sample.k, 0);
    for (uint32_t extra = 0; extra <= 2; extra++) {
        check_decode(&sample, sample.k, all, extra);
        check_decode(&sample, 0, all, extra);
    }
    end(&sample);
}

static void test_one_byte(void **state)
{
    (void)state;
    check_size(1);
}

static void test_one_whole_symbol(void **state)
{
    (void)state;
    check_size(65528);
}

static void test_one_byte_more_than_a_symbol(void **state)
{
    (void)state;
    check_size(65529);
}

static void test_16_symbols(void **state)
{
    (void)state;
    check_size(1000000);
}

static void test_153_symbols(void **state)
{
    (void)state;
    check_size(10000000);
}

static void test_611_symbols_in_4_sub_blocks(void **state)
{
    (void)state;
    check_size(40000000);
}

static void test_the_input_is_made_by_aes(void **state)
{
    static const uint8_t plain[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    /* FIPS 197, appendix C.1. */
    static const uint8_t expected[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                         0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    uint8_t cipher[16];

    (void)state;
    aes_encrypt(plain, cipher);
    assert_memory_equal(cipher, expected, sizeof(expected));
}

int main(void)
{
    const char *text = getenv("SYMWAVE_SEED");
    const unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 0) : 20110801;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_input_is_made_by_aes),
        cmocka_unit_test(test_one_byte),
        cmocka_unit_test(test_one_whole_symbol),
        cmocka_unit_test(test_one_byte_more_than_a_symbol),
        cmocka_unit_test(test_16_symbols),
        cmocka_unit_test(test_153_symbols),
        cmocka_unit_test(test_611_symbols_in_4_sub_blocks),
    };

    printf("SYMWAVE_SEED=%u\n", seed);
    srand(seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
