#include "client/files/journal.h"
#include "client/files/file_io.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TITLE_BYTES  32
#define HEADER_BYTES (TITLE_BYTES + SW_KEY_BYTES)
#define RECORD_BYTES 12
/* A larger one is none: it would be that of more symbols than a layout can have. */
#define FILE_BYTES_MAX (1 << 30)

static const char title[TITLE_BYTES] = "symwave workspace journal 1\n";

struct sw_journal {
    int fd;
    char *path;
    struct sw_key id;
    uint64_t count; /* of records */
};

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* 32-bit FNV-1a: against torn writes, not against people, who could as well write a good journal. */
static uint32_t checksum(const struct sw_key *id, uint64_t place, const uint8_t fields[8])
{
    uint32_t hash = 2166136261u;

    for (int i = 0; i < SW_KEY_BYTES; i++)
        hash = (hash ^ id->bytes[i]) * 16777619u;
    for (int i = 0; i < 8; i++)
        hash = (hash ^ (uint8_t)(place >> 8 * i)) * 16777619u;
    for (int i = 0; i < 8; i++)
        hash = (hash ^ fields[i]) * 16777619u;
    return hash;
}

size_t sw_journal_parse(const uint8_t *text, size_t text_bytes, const struct sw_key *id,
                        bool (*take)(const struct sw_journal_record *record, void *user_data), void *user_data)
{
    size_t at = HEADER_BYTES;

    if (text_bytes < HEADER_BYTES || memcmp(text, title, TITLE_BYTES) != 0 ||
        memcmp(text + TITLE_BYTES, id->bytes, SW_KEY_BYTES) != 0)
        return 0;
    for (uint64_t place = 0; text_bytes - at >= RECORD_BYTES; place++, at += RECORD_BYTES) {
        const struct sw_journal_record record = {get_u32(text + at), get_u32(text + at + 4)};
        if (get_u32(text + at + 8) != checksum(id, place, text + at) || !take(&record, user_data))
            break;
    }
    return at;
}

bool sw_journal_is_one(const char *path)
{
    char found[TITLE_BYTES] = {0};
    static const char zeros[TITLE_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return false;
    const ssize_t count = pread(fd, found, TITLE_BYTES, 0);
    bool is_one = count >= 0 && (memcmp(found, title, (size_t)count) == 0 || memcmp(found, zeros, (size_t)count) == 0);
    close(fd);
    return is_one;
}

/* Reads what the file holds; *good is what is to be kept of it. */
static enum sw_status read_records(struct sw_journal *journal,
                                   bool (*take)(const struct sw_journal_record *record, void *user_data),
                                   void *user_data, size_t *good, struct sw_error *error)
{
    struct stat facts;

    *good = 0;
    if (fstat(journal->fd, &facts) != 0)
        return sw_file_error(error, "look at", journal->path, errno);
    if (facts.st_size < HEADER_BYTES || facts.st_size > FILE_BYTES_MAX)
        return SW_OK;
    uint8_t *text = sw_malloc((size_t)facts.st_size);
    if (!text)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to read %s", journal->path);
    enum sw_status status = sw_file_read(journal->fd, journal->path, text, (size_t)facts.st_size, 0, error);
    if (status == SW_OK)
        *good = sw_journal_parse(text, (size_t)facts.st_size, &journal->id, take, user_data);
    sw_free(text);
    return status;
}

static enum sw_status begin_anew(struct sw_journal *journal, struct sw_error *error)
{
    journal->count = 0;
    if (ftruncate(journal->fd, 0) != 0)
        return sw_file_error(error, "write", journal->path, errno);
    enum sw_status status = sw_file_write(journal->fd, journal->path, title, TITLE_BYTES, 0, error);
    if (status == SW_OK)
        status = sw_file_write(journal->fd, journal->path, journal->id.bytes, SW_KEY_BYTES, TITLE_BYTES, error);
    return status;
}

enum sw_status sw_journal_open(const char *path, const struct sw_key *id, bool fresh,
                               bool (*take)(const struct sw_journal_record *record, void *user_data), void *user_data,
                               struct sw_journal **out, bool *kept, struct sw_error *error)
{
    struct sw_journal *journal = sw_calloc(1, sizeof(*journal));
    enum sw_status status = SW_OK;
    size_t good = 0;

    *out = NULL;
    *kept = false;
    if (journal)
        journal->path = sw_file_name(path, "");
    if (!journal || !journal->path) {
        sw_free(journal);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", path);
    }
    journal->id = *id;
    journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (journal->fd < 0)
        status = sw_file_error(error, "open", path, errno);
    if (status == SW_OK && !fresh)
        status = read_records(journal, take, user_data, &good, error);
    if (status == SW_OK && good == 0) {
        status = begin_anew(journal, error);
    } else if (status == SW_OK) {
        *kept = true;
        journal->count = (good - HEADER_BYTES) / RECORD_BYTES;
        if (ftruncate(journal->fd, (off_t)good) != 0)
            status = sw_file_error(error, "write", path, errno);
    }
    if (status == SW_OK)
        *out = journal;
    else
        sw_journal_close(journal, false);
    return status;
}

enum sw_status sw_journal_add(struct sw_journal *journal, const struct sw_journal_record *record,
                              struct sw_error *error)
{
    uint8_t text[RECORD_BYTES];

    put_u32(text, record->symbol);
    put_u32(text + 4, record->slot);
    put_u32(text + 8, checksum(&journal->id, journal->count, text));
    return sw_file_write(journal->fd, journal->path, text, sizeof(text), HEADER_BYTES + journal->count++ * RECORD_BYTES,
                         error);
}

enum sw_status sw_journal_clear(struct sw_journal *journal, struct sw_error *error)
{
    return begin_anew(journal, error);
}

void sw_journal_close(struct sw_journal *journal, bool remove)
{
    if (!journal)
        return;
    if (remove)
        unlink(journal->path);
    if (journal->fd >= 0)
        close(journal->fd);
    sw_free(journal->path);
    sw_free(journal);
}
