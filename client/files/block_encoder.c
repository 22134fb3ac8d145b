#include "client/files/block_encoder.h"
#include "client/files/file_io.h"
#include "common/blake3.h"
#include "common/memory.h"
#include <string.h>
#include <unistd.h>

/* Intermediate symbols are written in pieces of as many sub-blocks as fit here, each piece by a call of its own. */
#define PIECES_BYTES_MAX (2 * SW_JOB_COLUMNS_BYTES)

struct sw_block_encoder {
    int fd;
    const char *path;
    char *work_name; /* for errors */
    int work;        /* the intermediate symbols of the block that is ready, row after row */
    struct sw_raptorq_params params;
    uint32_t sbn; /* of the block after the one that is ready */
    uint32_t k, l;
    struct sw_blake3_state hash;
    uint8_t *rows; /* of one symbol */
};

enum sw_status sw_block_encoder_open(int fd, const char *path, const char *beside,
                                     const struct sw_raptorq_params *params, struct sw_block_encoder **out,
                                     struct sw_error *error)
{
    struct sw_block_encoder *encoder = sw_calloc(1, sizeof(*encoder));
    enum sw_status status = SW_OK;

    *out = NULL;
    if (encoder) {
        encoder->work = -1;
        encoder->fd = fd;
        encoder->path = path;
        encoder->params = *params;
        encoder->work_name = sw_file_name("a work file beside ", beside);
        encoder->rows = sw_malloc((size_t)params->symbol_bytes * SW_RAPTORQ_COLUMNS_MAX);
        sw_blake3_init(&encoder->hash);
    }
    if (!encoder || !encoder->work_name || !encoder->rows)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to encode %s", path);
    if (status == SW_OK)
        status = sw_file_open_nameless(beside, &encoder->work, error);
    if (status == SW_OK)
        *out = encoder;
    else
        sw_block_encoder_close(encoder);
    return status;
}

void sw_block_encoder_close(struct sw_block_encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->work >= 0)
        close(encoder->work);
    sw_free(encoder->work_name);
    sw_free(encoder->rows);
    sw_free(encoder);
}

struct sw_key sw_block_encoder_hash(const struct sw_block_encoder *encoder)
{
    struct sw_key hash;

    sw_blake3_final(&encoder->hash, hash.bytes);
    return hash;
}

size_t sw_block_encoder_symbol_bytes(const struct sw_block_encoder *encoder)
{
    return SW_RAPTORQ_PAYLOAD_ID_BYTES + (size_t)encoder->params.symbol_bytes;
}

/* What making one block ready needs. */
struct loading {
    struct sw_block_encoder *encoder;
    struct sw_job *job;
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;
    uint8_t *sub_block; /* sub-symbols of the file, one after the other */
    uint8_t *pieces;    /* of each intermediate symbol, as many columns as are to be written at once */
    const uint8_t **inputs;
    uint8_t **outputs;
    void *work;
};

/* Sub-block number index of the block, with zeros behind the end of the file. */
static enum sw_status read_sub_block(struct loading *loading, uint32_t index, struct sw_error *error)
{
    struct sw_block_encoder *encoder = loading->encoder;
    const struct sw_raptorq_block block = sw_raptorq_block_at(&encoder->params, encoder->sbn);
    const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&encoder->params, encoder->sbn, index);
    const size_t bytes = (size_t)block.k * sub.bytes;
    size_t real = bytes;

    if (sub.block_offset >= block.bytes)
        real = 0;
    else if (real > block.bytes - sub.block_offset)
        real = block.bytes - sub.block_offset;
    enum sw_status status =
        sw_file_read(encoder->fd, encoder->path, loading->sub_block, real, block.offset + sub.block_offset, error);
    if (status != SW_OK)
        return status;
    memset(loading->sub_block + real, 0, bytes - real);
    sw_blake3_update(&encoder->hash, loading->sub_block, real);
    return sw_job_bytes(loading->job, real, error);
}

/* Works out the intermediate symbols' columns of sub-blocks first to last - 1, and writes them. */
static enum sw_status load_columns(struct loading *loading, uint32_t first, uint32_t last, struct sw_error *error)
{
    struct sw_block_encoder *encoder = loading->encoder;
    const struct sw_raptorq_sub_block from = sw_raptorq_sub_block_at(&encoder->params, encoder->sbn, first);
    const struct sw_raptorq_sub_block to = sw_raptorq_sub_block_at(&encoder->params, encoder->sbn, last - 1);
    const size_t width = to.symbol_offset + to.bytes - from.symbol_offset;
    enum sw_status status = SW_OK;

    for (uint32_t index = first; index < last && status == SW_OK; index++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(&encoder->params, encoder->sbn, index);
        status = read_sub_block(loading, index, error);
        for (uint32_t i = 0; i < encoder->k; i++)
            loading->inputs[i] = loading->sub_block + (size_t)i * sub.bytes;
        for (uint32_t i = 0; i < encoder->l; i++)
            loading->outputs[i] = loading->pieces + i * width + (sub.symbol_offset - from.symbol_offset);
        if (status == SW_OK)
            sw_raptorq_run(loading->plan, loading->targets, sub.bytes, loading->inputs, loading->outputs,
                           loading->work);
    }
    for (uint32_t i = 0; i < encoder->l && status == SW_OK; i++)
        status = sw_file_write(encoder->work, encoder->work_name, loading->pieces + i * width, width,
                               (uint64_t)i * encoder->params.symbol_bytes + from.symbol_offset, error);
    return status;
}

static enum sw_status load(struct loading *loading, struct sw_error *error)
{
    struct sw_block_encoder *encoder = loading->encoder;
    const struct sw_raptorq_params *params = &encoder->params;
    /* The first sub-blocks are the widest. */
    const size_t widest = sw_raptorq_sub_block_at(params, encoder->sbn, 0).bytes;
    size_t fitting = PIECES_BYTES_MAX / (widest * encoder->l);

    fitting = fitting == 0 ? 1 : fitting > params->sub_blocks ? params->sub_blocks : fitting;
    const size_t sub_block_bytes = encoder->k * widest, pieces_bytes = encoder->l * widest * fitting;
    const size_t work_bytes = sw_raptorq_run_bytes(loading->plan, widest);
    loading->sub_block = sw_malloc(sub_block_bytes);
    loading->pieces = sw_malloc(pieces_bytes);
    loading->work = sw_malloc(work_bytes);
    loading->inputs = sw_calloc(encoder->k, sizeof(*loading->inputs));
    loading->outputs = sw_calloc(encoder->l, sizeof(*loading->outputs));
    if (!loading->sub_block || !loading->pieces || !loading->work || !loading->inputs || !loading->outputs)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to encode a sub-block of %s", encoder->path);
    sw_job_note_buffers(loading->job, sub_block_bytes + pieces_bytes + work_bytes +
                                          (encoder->k + encoder->l) * sizeof(void *) +
                                          sw_raptorq_plan_bytes(loading->plan));
    enum sw_status status = SW_OK;
    for (uint32_t first = 0; first < params->sub_blocks && status == SW_OK; first += (uint32_t)fitting) {
        const size_t left = params->sub_blocks - first;
        status = load_columns(loading, first, first + (uint32_t)(left < fitting ? left : fitting), error);
    }
    return status;
}

enum sw_status sw_block_encoder_next(struct sw_block_encoder *encoder, struct sw_job *job, struct sw_error *error)
{
    struct loading loading = {.encoder = encoder, .job = job};

    encoder->k = sw_raptorq_block_at(&encoder->params, encoder->sbn).k;
    encoder->l = sw_raptorq_intermediate_count(encoder->k);
    enum sw_status status = sw_raptorq_plan_new_encoder(encoder->k, &loading.plan);
    if (status == SW_OK)
        status = sw_raptorq_targets_new_intermediate(loading.plan, &loading.targets);
    if (status != SW_OK)
        sw_error_set(error, status, "no memory to plan the encoding of %s", encoder->path);
    else
        status = load(&loading, error);
    sw_raptorq_targets_free(loading.targets);
    sw_raptorq_plan_free(loading.plan);
    sw_free(loading.sub_block);
    sw_free(loading.pieces);
    sw_free(loading.work);
    sw_free(loading.inputs);
    sw_free(loading.outputs);
    if (status == SW_OK)
        encoder->sbn++;
    return status;
}

enum sw_status sw_block_encoder_make(struct sw_block_encoder *encoder, uint32_t esi, uint8_t *symbol,
                                     struct sw_error *error)
{
    const size_t bytes = encoder->params.symbol_bytes;
    uint32_t numbers[SW_RAPTORQ_COLUMNS_MAX];
    const uint8_t *rows[SW_RAPTORQ_COLUMNS_MAX];
    const size_t count = sw_raptorq_encode_rows(encoder->k, esi, numbers);
    enum sw_status status = SW_OK;

    for (size_t i = 0; i < count && status == SW_OK; i++) {
        rows[i] = encoder->rows + i * bytes;
        status = sw_file_read(encoder->work, encoder->work_name, encoder->rows + i * bytes, bytes, numbers[i] * bytes,
                              error);
    }
    if (status == SW_OK) {
        sw_raptorq_payload_id_write((uint8_t)(encoder->sbn - 1), esi, symbol);
        sw_raptorq_encode_sum(rows, count, bytes, symbol + SW_RAPTORQ_PAYLOAD_ID_BYTES);
    }
    return status;
}
