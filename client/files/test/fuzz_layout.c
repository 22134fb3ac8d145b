/*
 * Fuzz target: any text as a layout. It ends in a layout whose numbers fit together and whose keys are all different,
 * and which is read the same when it is written again, or in an error that says what is wrong.
 */
#include "client/files/layout.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* The layout's text as put writes it, in memory. */
static size_t write_again(const struct sw_layout *layout, char *text)
{
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    char key[SW_KEY_BASE58_SIZE];
    size_t at = (size_t)sprintf(text, "{\"blocks\": [{\"block_id\": 0, \"encoder_parameters\": [");

    sw_raptorq_oti_write(sw_layout_params(layout), oti);
    for (size_t i = 0; i < sizeof(oti); i++)
        at += (size_t)sprintf(text + at, "%s%u", i > 0 ? ", " : "", oti[i]);
    at += (size_t)sprintf(text + at, "], \"original_offset\": 0, \"size\": %llu, \"symbols\": [",
                          (unsigned long long)sw_layout_params(layout)->bytes);
    for (uint64_t i = 0; i < sw_layout_symbol_count(layout); i++) {
        sw_key_to_base58(&layout->keys[i], key);
        at += (size_t)sprintf(text + at, "%s\"%s\"", i > 0 ? ", " : "", key);
    }
    sw_key_to_base58(sw_layout_hash(layout), key);
    return at + (size_t)sprintf(text + at, "], \"hash\": \"%s\"}]}", key);
}

static int compare(const void *a, const void *b)
{
    return sw_key_compare(a, b);
}

static void check_counts(const struct sw_layout *layout)
{
    const struct sw_raptorq_params *params = sw_layout_params(layout);
    uint64_t count = 0, bytes = 0;

    must(sw_raptorq_params_check(params, NULL) == SW_OK, "parameters that are none");
    for (uint32_t sbn = 0; sbn < params->blocks; sbn++) {
        const struct sw_layout_block block = sw_layout_block_at(layout, sbn);
        must(block.k == sw_raptorq_block_at(params, sbn).k, "a wrong number of source symbols");
        must(block.repair == sw_layout_repair_count(params, sbn) && block.repair >= 6, "a wrong number of others");
        must(block.keys == layout->keys + count, "keys in a wrong place");
        count += block.k + block.repair;
        bytes += (uint64_t)block.k * params->symbol_bytes;
    }
    must(count == sw_layout_symbol_count(layout), "a wrong number of symbols");
    must(bytes >= params->bytes && bytes - params->bytes < params->symbol_bytes, "symbols that are not the file");
    struct sw_key *keys = malloc(count * sizeof(*keys));
    must(keys != NULL, "no memory");
    memcpy(keys, layout->keys, count * sizeof(*keys));
    qsort(keys, count, sizeof(*keys), compare);
    for (uint64_t i = 1; i < count; i++)
        must(sw_key_compare(&keys[i - 1], &keys[i]) != 0, "a key that stands twice");
    free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_BYTES_MAX];
    struct sw_layout *layout = NULL, *again = NULL;
    struct sw_error error = {0};

    enum sw_status status = sw_layout_parse((const char *)data, size, "fuzz", &layout, &error);
    if (status != SW_OK) {
        must(status == SW_INVALID_ARGUMENT && layout == NULL && error.status == status, "a failure of another kind");
        must(strncmp(error.message, "fuzz:", 5) == 0 && strlen(error.message) > 8, "an error that says nothing");
        for (const char *c = error.message; *c != '\0'; c++)
            must((unsigned char)*c >= ' ' && *c != 127, "an error that is not one line");
        return 0;
    }
    check_counts(layout);
    if (sw_layout_symbol_count(layout) < TEXT_BYTES_MAX / 64) {
        const struct sw_key id = sw_layout_id(layout);
        must(sw_layout_parse(text, write_again(layout, text), "fuzz", &again, &error) == SW_OK, "it is not read again");
        const struct sw_key same = sw_layout_id(again);
        must(sw_key_compare(&id, &same) == 0, "it changes by being written and read");
        sw_layout_free(again);
    }
    sw_layout_free(layout);
    return 0;
}
