/*
 * Fuzz target: any bytes as a journal. The first byte says in which way: as they are; behind the right header; or as
 * the numbers of records that are written with their checksums, one byte of which is then changed. What is told must be
 * whole records, as many as the bytes that are said to be good, and a changed byte must end the list before it.
 */
#include "client/files/journal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 64
#define RECORD_BYTES 12
#define TEXT_BYTES   (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sw_key id = {{1, 2, 3}};

struct told {
    const uint8_t *text; /* where the next record is */
    size_t count, refuse_at;
};

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static bool take(const struct sw_journal_record *record, void *user_data)
{
    struct told *told = user_data;

    if (told->count == told->refuse_at)
        return false;
    must(record->symbol == get_u32(told->text) && record->slot == get_u32(told->text + 4), "a wrong record");
    told->text += RECORD_BYTES;
    told->count++;
    return true;
}

/* Returns how many records it told. */
static size_t parse(const uint8_t *text, size_t count, size_t refuse_at)
{
    /* A copy that ends where the text does. */
    uint8_t *copy = malloc(count + 1);
    must(copy != NULL, "no memory");
    copy = realloc(memcpy(copy, text, count), count > 0 ? count : 1);
    must(copy != NULL, "no memory");
    struct told told = {copy + HEADER_BYTES, 0, refuse_at};
    const size_t good = sw_journal_parse(copy, count, &id, take, &told);
    must(good <= count, "more is good than there is");
    must(good == 0 ? told.count == 0 : good == HEADER_BYTES + told.count * RECORD_BYTES, "more is good than was told");
    free(copy);
    return told.count;
}

static size_t write_header(uint8_t text[TEXT_BYTES])
{
    memset(text, 0, HEADER_BYTES);
    memcpy(text, "symwave workspace journal 1\n", 28);
    memcpy(text + 32, id.bytes, sizeof(id.bytes));
    return HEADER_BYTES;
}

/* A record with its checksum, as journal.h says: FNV-1a over the id, the record's place, and its fields. */
static void write_record(uint8_t text[RECORD_BYTES], uint64_t place, const uint8_t fields[8])
{
    uint8_t hashed[48];
    uint32_t hash = 2166136261u;

    memcpy(hashed, id.bytes, 32);
    for (int i = 0; i < 8; i++)
        hashed[32 + i] = (uint8_t)(place >> 8 * i);
    memcpy(hashed + 40, fields, 8);
    for (size_t i = 0; i < sizeof(hashed); i++)
        hash = (hash ^ hashed[i]) * 16777619u;
    memcpy(text, fields, 8);
    for (int i = 0; i < 4; i++)
        text[8 + i] = (uint8_t)(hash >> 8 * i);
}

static void try_changed(const uint8_t *data, size_t size, uint8_t text[TEXT_BYTES])
{
    if (size < 3)
        return;
    const size_t records = (size - 3) / 8 < 5000 ? (size - 3) / 8 : 5000;
    size_t count = write_header(text);
    for (size_t i = 0; i < records; i++, count += RECORD_BYTES)
        write_record(text + count, i, data + 3 + i * 8);
    must(parse(text, count, SIZE_MAX) == records, "good records are not told");
    const size_t at = (data[0] | (size_t)data[1] << 8) % count;
    const uint8_t changed = data[2];
    const size_t before = at < HEADER_BYTES ? 0 : (at - HEADER_BYTES) / RECORD_BYTES;
    must(parse(text, at, SIZE_MAX) == before, "a cut changes what is before it");
    text[at] ^= changed;
    if (changed != 0)
        must(parse(text, count, SIZE_MAX) == before, "a changed byte is believed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t text[TEXT_BYTES];
    size_t count = 0;

    if (size == 0)
        return 0;
    const uint8_t flag = *data++;
    size--;
    if (flag % 4 == 3) {
        try_changed(data, size, text);
        return 0;
    }
    if (flag % 4 == 2)
        count = write_header(text);
    const size_t part = size < sizeof(text) - count ? size : sizeof(text) - count;
    memcpy(text + count, data, part);
    parse(text, count + part, flag >> 2);
    return 0;
}
