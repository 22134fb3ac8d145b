#include "client/files/block_decoder.h"
#include "client/files/file_io.h"
#include "client/files/journal.h"
#include "common/memory.h"

struct decoding {
    struct sw_rebuild *rebuild;
    uint32_t k;
    const struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;
    uint32_t *lost; /* ascending */
    uint32_t lost_count;
    uint8_t *source; /* columns of the block's source symbols, one symbol after the other, lost ones among them */
    uint8_t *repair; /* the same of the repair symbols that came */
    const uint8_t **inputs;
    uint8_t **outputs;
    void *work;
};

/* Columns [at, at + width) of a sub-block, which begins at offset in the workspace. */
struct columns {
    struct sw_raptorq_sub_block sub;
    uint64_t offset;
    uint32_t at, width;
};

static uint64_t place_of(const struct columns *columns, uint32_t esi)
{
    return columns->offset + (uint64_t)esi * columns->sub.bytes + columns->at;
}

static enum sw_status read_columns(struct decoding *decoding, const struct columns *columns, struct sw_error *error)
{
    const struct sw_rebuild *rebuild = decoding->rebuild;
    const struct sw_workspace *workspace = rebuild->workspace;
    const size_t width = columns->width;
    enum sw_status status = SW_OK;
    size_t repair = 0;

    /* Whole sub-symbols lie in a row, lost ones too, which are read for nothing. */
    const bool in_a_row = columns->width == columns->sub.bytes;
    if (in_a_row)
        status =
            sw_file_read(workspace->fd, workspace->path, decoding->source, decoding->k * width, columns->offset, error);
    for (uint32_t i = 0; i < rebuild->row_count && status == SW_OK; i++) {
        const struct sw_held *held = &rebuild->rows[i];
        if (held->slot == SW_JOURNAL_NO_SLOT) {
            uint8_t *row = decoding->source + held->esi * width;
            decoding->inputs[i] = row;
            if (!in_a_row)
                status = sw_file_read(workspace->fd, workspace->path, row, width, place_of(columns, held->esi), error);
        } else {
            uint8_t *row = decoding->repair + repair++ * width;
            decoding->inputs[i] = row;
            status = sw_file_read(
                workspace->fd, workspace->path, row, width,
                sw_workspace_slot_offset(workspace, held->slot) + columns->sub.symbol_offset + columns->at, error);
        }
    }
    return status;
}

/* Writes the lost symbols' columns, those that lie in a row at once. */
static enum sw_status write_columns(const struct decoding *decoding, const struct columns *columns,
                                    struct sw_error *error)
{
    const struct sw_workspace *workspace = decoding->rebuild->workspace;
    const size_t width = columns->width;
    enum sw_status status = SW_OK;

    for (uint32_t i = 0, run; i < decoding->lost_count && status == SW_OK; i += run) {
        const uint32_t esi = decoding->lost[i];
        run = 1;
        while (columns->width == columns->sub.bytes && i + run < decoding->lost_count &&
               decoding->lost[i + run] == esi + run)
            run++;
        status = sw_file_write(workspace->fd, workspace->path, decoding->source + esi * width, run * width,
                               place_of(columns, esi), error);
    }
    return status;
}

static enum sw_status decode_sub_block(struct decoding *decoding, uint32_t index, uint32_t width_max,
                                       struct sw_error *error)
{
    struct sw_rebuild *rebuild = decoding->rebuild;
    const struct sw_raptorq_params *params = &rebuild->layout->params;
    struct columns columns = {.sub = sw_raptorq_sub_block_at(params, rebuild->sbn, index)};
    enum sw_status status = SW_OK;

    columns.offset = sw_raptorq_block_at(params, rebuild->sbn).offset + columns.sub.block_offset;
    for (; columns.at < columns.sub.bytes && status == SW_OK; columns.at += columns.width) {
        columns.width = columns.sub.bytes - columns.at < width_max ? columns.sub.bytes - columns.at : width_max;
        status = read_columns(decoding, &columns, error);
        if (status != SW_OK)
            break;
        for (uint32_t i = 0; i < decoding->lost_count; i++)
            decoding->outputs[i] = decoding->source + (size_t)decoding->lost[i] * columns.width;
        sw_raptorq_run(decoding->plan, decoding->targets, columns.width, decoding->inputs, decoding->outputs,
                       decoding->work);
        status = write_columns(decoding, &columns, error);
        if (status == SW_OK)
            status = sw_job_bytes(&rebuild->job, (uint64_t)decoding->k * columns.width, error);
    }
    return status;
}

static enum sw_status decode(struct decoding *decoding, struct sw_error *error)
{
    struct sw_rebuild *rebuild = decoding->rebuild;
    const struct sw_raptorq_params *params = &rebuild->layout->params;
    const size_t widest = sw_raptorq_sub_block_at(params, rebuild->sbn, 0).bytes;
    size_t repair_count = 0;

    for (uint32_t i = 0; i < rebuild->row_count; i++)
        repair_count += rebuild->rows[i].slot != SW_JOURNAL_NO_SLOT;
    /* Only the layout of somebody else has sub-blocks that are wider than this. */
    size_t width = SW_JOB_COLUMNS_BYTES / decoding->k;
    width = width < 64 ? 64 : width;
    width = width < widest ? width : widest;
    const size_t work_bytes = sw_raptorq_run_bytes(decoding->plan, width);
    decoding->source = sw_malloc(decoding->k * width);
    decoding->repair = sw_malloc(repair_count * width + 1);
    decoding->inputs = sw_calloc(rebuild->row_count, sizeof(*decoding->inputs));
    decoding->outputs = sw_calloc(decoding->k, sizeof(*decoding->outputs));
    decoding->work = sw_malloc(work_bytes);
    if (!decoding->source || !decoding->repair || !decoding->inputs || !decoding->outputs || !decoding->work)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to decode %s", rebuild->out_path);
    sw_job_note_buffers(&rebuild->job, (decoding->k + repair_count) * width + work_bytes +
                                           (rebuild->row_count + decoding->k) * sizeof(void *) +
                                           sw_raptorq_plan_bytes(decoding->plan));
    enum sw_status status = SW_OK;
    for (uint32_t index = 0; index < params->sub_blocks && status == SW_OK; index++)
        status = decode_sub_block(decoding, index, (uint32_t)width, error);
    return status;
}

enum sw_status sw_block_decode(struct sw_rebuild *rebuild, struct sw_error *error)
{
    struct decoding decoding = {.rebuild = rebuild, .plan = sw_raptorq_decoder_plan(rebuild->decoder)};
    enum sw_status status;

    if (!decoding.plan)
        return SW_OK; /* all source symbols are in their places */
    decoding.k = sw_raptorq_plan_k(decoding.plan);
    decoding.lost = sw_malloc(decoding.k * sizeof(*decoding.lost));
    status = decoding.lost ? SW_OK : SW_NO_MEMORY;
    if (status == SW_OK) {
        decoding.lost_count = sw_raptorq_decoder_lost(rebuild->decoder, decoding.lost);
        status = sw_raptorq_targets_new(decoding.plan, decoding.lost, decoding.lost_count, &decoding.targets);
    }
    if (status != SW_OK)
        sw_error_set(error, status, "no memory to decode %s", rebuild->out_path);
    else
        status = decode(&decoding, error);
    if (status == SW_OK)
        rebuild->report.decoded += decoding.lost_count;
    sw_raptorq_targets_free(decoding.targets);
    sw_free(decoding.lost);
    sw_free(decoding.source);
    sw_free(decoding.repair);
    sw_free(decoding.inputs);
    sw_free(decoding.outputs);
    sw_free(decoding.work);
    return status;
}
