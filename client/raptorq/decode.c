/* What has come of a source block, and whether it is enough: see symwave/raptorq.h. */
#include "common/memory.h"
#include "symwave/raptorq.h"
#include <assert.h>
#include <string.h>

#define EMPTY UINT32_MAX

struct sw_raptorq_decoder {
    uint32_t k;
    uint32_t *esis; /* in the order of coming */
    uint32_t count, capacity;
    uint32_t source_count;
    uint32_t *set; /* the same as a hash table of set_size places, a power of two and at least twice the count */
    uint32_t set_size;
    uint32_t needed; /* fewer symbols than this are not enough */
    bool decodable;
    struct sw_raptorq_plan *plan;
};

enum sw_status sw_raptorq_decoder_new(uint32_t k, struct sw_raptorq_decoder **out)
{
    struct sw_raptorq_decoder *decoder = sw_calloc(1, sizeof(*decoder));

    assert(k >= 1 && k <= SW_RAPTORQ_K_MAX);
    *out = decoder;
    if (decoder == NULL)
        return SW_NO_MEMORY;
    decoder->k = k;
    decoder->needed = k;
    return SW_OK;
}

void sw_raptorq_decoder_free(struct sw_raptorq_decoder *decoder)
{
    if (decoder == NULL)
        return;
    sw_raptorq_plan_free(decoder->plan);
    sw_free(decoder->esis);
    sw_free(decoder->set);
    sw_free(decoder);
}

/* Where an esi is in the set, or would be. */
static uint32_t *find(uint32_t *set, uint32_t size, uint32_t esi)
{
    uint32_t i = esi * 2654435769u & (size - 1);

    while (set[i] != EMPTY && set[i] != esi)
        i = (i + 1) & (size - 1);
    return &set[i];
}

static bool contains(const struct sw_raptorq_decoder *decoder, uint32_t esi)
{
    return decoder->set_size > 0 && *find(decoder->set, decoder->set_size, esi) == esi;
}

/* Makes room for one symbol more. */
static enum sw_status grow(struct sw_raptorq_decoder *decoder)
{
    const uint32_t capacity = decoder->capacity == 0 ? 64 : decoder->capacity * 2, set_size = capacity * 2;
    uint32_t *esis, *set;

    if (decoder->count < decoder->capacity)
        return SW_OK;
    set = sw_malloc(set_size * sizeof(*set));
    esis = sw_realloc(decoder->esis, capacity * sizeof(*esis));
    if (esis != NULL)
        decoder->esis = esis;
    if (set == NULL || esis == NULL) {
        sw_free(set);
        return SW_NO_MEMORY;
    }
    memset(set, 0xff, set_size * sizeof(*set));
    for (uint32_t i = 0; i < decoder->count; i++)
        *find(set, set_size, esis[i]) = esis[i];
    sw_free(decoder->set);
    decoder->set = set;
    decoder->set_size = set_size;
    decoder->capacity = capacity;
    return SW_OK;
}

enum sw_status sw_raptorq_decoder_add(struct sw_raptorq_decoder *decoder, uint32_t esi, bool *added)
{
    bool ignored;

    added = added == NULL ? &ignored : added;
    *added = false;
    if (esi > SW_RAPTORQ_ESI_MAX)
        return SW_INVALID_ARGUMENT;
    if (decoder->decodable || contains(decoder, esi))
        return SW_OK;
    if (grow(decoder) != SW_OK)
        return SW_NO_MEMORY;
    *find(decoder->set, decoder->set_size, esi) = esi;
    decoder->esis[decoder->count++] = esi;
    decoder->source_count += esi < decoder->k;
    *added = true;
    return SW_OK;
}

enum sw_status sw_raptorq_decoder_check(struct sw_raptorq_decoder *decoder, uint32_t *missing)
{
    enum sw_status status = SW_OK;
    uint32_t more = 0;

    if (decoder->source_count == decoder->k)
        decoder->decodable = true;
    if (!decoder->decodable && decoder->count < decoder->needed) {
        more = decoder->needed - decoder->count;
        status = SW_SHORT;
    } else if (!decoder->decodable) {
        status = sw_raptorq_plan_new(decoder->k, decoder->esis, decoder->count, &decoder->plan, &more);
        decoder->decodable = status == SW_OK;
        if (status == SW_SHORT)
            decoder->needed = decoder->count + more;
    }
    if (missing != NULL)
        *missing = more;
    return status;
}

const uint32_t *sw_raptorq_decoder_esis(const struct sw_raptorq_decoder *decoder, uint32_t *count)
{
    *count = decoder->count;
    return decoder->esis;
}

const struct sw_raptorq_plan *sw_raptorq_decoder_plan(const struct sw_raptorq_decoder *decoder)
{
    assert(decoder->decodable);
    return decoder->plan;
}

uint32_t sw_raptorq_decoder_lost(const struct sw_raptorq_decoder *decoder, uint32_t *esis)
{
    uint32_t count = 0;

    for (uint32_t esi = 0; esi < decoder->k; esi++) {
        if (!contains(decoder, esi))
            esis[count++] = esi;
    }
    return count;
}
