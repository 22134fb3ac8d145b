#include "common/tls_files.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A system's file of all CAs has some 200 KiB. */
#define FILE_BYTES_MAX ((size_t)4 << 20)

static enum sw_status read_file(const char *what, const char *path, char **text, struct sw_error *error)
{
    size_t bytes = 0;
    ssize_t count = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return sw_error_set(error, errno == ENOENT ? SW_NOT_FOUND : SW_IO_ERROR, "cannot open the %s %.300s: %s", what,
                            path, strerror(errno));
    *text = sw_calloc(1, FILE_BYTES_MAX + 1);
    while (*text && count != 0 && bytes < FILE_BYTES_MAX) {
        count = read(fd, *text + bytes, FILE_BYTES_MAX - bytes);
        if (count < 0 && errno != EINTR)
            break;
        bytes += count > 0 ? (size_t)count : 0;
    }
    int code = count < 0 ? errno : 0;
    close(fd);
    if (!*text)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the %s %.300s", what, path);
    if (code != 0)
        return sw_error_set(error, SW_IO_ERROR, "cannot read the %s %.300s: %s", what, path, strerror(code));
    if (bytes == FILE_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the %s %.300s: larger than %zu MiB, which none is", what, path,
                            FILE_BYTES_MAX >> 20);
    return SW_OK;
}

/* The first certificate of a text. NULL where it has none. */
static X509 *first_certificate(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

/* Never asks a terminal for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *user_data)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user_data;
    return 0;
}

static void read_facts(X509 *certificate, struct sw_tls_facts *facts)
{
    struct tm time = {0};
    X509_NAME_oneline(X509_get_subject_name(certificate), facts->subject, sizeof(facts->subject));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1)
        facts->not_after_s = timegm(&time);
}

static enum sw_status check_certificate(const struct sw_tls_files *files, const struct sw_tls_pem *pem,
                                        struct sw_tls_facts *facts, struct sw_error *error)
{
    enum sw_status status = SW_OK;
    BIO *bio = BIO_new_mem_buf(pem->key, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    X509 *certificate = first_certificate(pem->certificate);
    if (!certificate)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "the certificate %.300s: it holds no certificate in PEM",
                              files->certificate);
    else if (!key)
        status = sw_error_set(error, SW_INVALID_ARGUMENT,
                              "the key %.300s: it holds no private key in PEM that needs no passphrase", files->key);
    else if (X509_check_private_key(certificate, key) != 1)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "the key %.200s is not that of the certificate %.200s",
                              files->key, files->certificate);
    else if (facts)
        read_facts(certificate, facts);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return status;
}

static enum sw_status check_ca(const struct sw_tls_files *files, const struct sw_tls_pem *pem, struct sw_error *error)
{
    X509 *certificate = first_certificate(pem->ca);
    X509_free(certificate);
    return certificate ? SW_OK
                       : sw_error_set(error, SW_INVALID_ARGUMENT, "the CA file %.300s: it holds no certificate in PEM",
                                      files->ca);
}

enum sw_status sw_tls_load(const struct sw_tls_files *files, struct sw_tls_pem *pem, struct sw_tls_facts *facts,
                           struct sw_error *error)
{
    enum sw_status status = SW_OK;
    *pem = (struct sw_tls_pem){NULL, NULL, NULL};
    if (facts)
        *facts = (struct sw_tls_facts){.subject = ""};
    if (!files->certificate != !files->key)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a certificate and its key go together: the %s is missing",
                            files->key ? "certificate" : "key");
    if (files->ca)
        status = read_file("CA file", files->ca, &pem->ca, error);
    if (status == SW_OK && files->certificate)
        status = read_file("certificate", files->certificate, &pem->certificate, error);
    if (status == SW_OK && files->key)
        status = read_file("key", files->key, &pem->key, error);
    if (status == SW_OK && pem->certificate)
        status = check_certificate(files, pem, facts, error);
    if (status == SW_OK && pem->ca)
        status = check_ca(files, pem, error);
    if (status != SW_OK)
        sw_tls_pem_clear(pem);
    return status;
}

void sw_tls_pem_clear(struct sw_tls_pem *pem)
{
    if (pem->key)
        explicit_bzero(pem->key, strlen(pem->key));
    sw_free(pem->ca);
    sw_free(pem->certificate);
    sw_free(pem->key);
    *pem = (struct sw_tls_pem){NULL, NULL, NULL};
}
