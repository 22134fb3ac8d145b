/* A folder for one test: made under TMPDIR or /tmp, and removed with all that is in it. */
#ifndef SW_TEST_TEMP_FOLDER_H
#define SW_TEST_TEMP_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes a folder; the caller passes the result to temp_folder_remove. */
static inline char *temp_folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/symwave-test-XXXXXX", base ? base : "/tmp") < 0)
        abort();
    if (!mkdtemp(path)) {
        perror(path);
        abort();
    }
    return path;
}

static inline int temp_folder_unlink(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void temp_folder_remove(char *path)
{
    nftw(path, temp_folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
