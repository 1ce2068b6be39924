/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over a socket that never blocks. OpenSSL works on two buffers in memory; the bytes between
 * them and the socket are moved here, so that every send has MSG_NOSIGNAL and poll() alone decides
 * who waits. The server's certificate is always checked: its chain, and its name or address.
 *
 * hiredis 0.14 has no TLS, and the TLS of later ones wants sockets of its own; so OpenSSL is used
 * directly, which is there anyway.
 *
 * Source: man7 ssl(7ssl), SSL_set_bio(3ssl), X509_VERIFY_PARAM_set_hostflags(3ssl).
 */
#include "drivers/redis_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { CHUNK = 16 * 1024, PENDING_MAX = 256 * 1024 };

struct tls_context {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

/* The oldest error of this thread says most about the cause. */
static const char *reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text ? text : "unknown error";
}

/* ---- the driver's ---- */

static bool bad_file(const char *option, const char *file, struct err *e)
{
    return err_set(e, ERR_INVALID, "redis URL: option %s: %s: %s", option, file, reason());
}

static bool load_files(SSL_CTX *ctx, const struct redis_url *u, struct err *e)
{
    if (u->ca && SSL_CTX_load_verify_file(ctx, u->ca) != 1)
        return bad_file("ca", u->ca, e);
    if (!u->ca && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return err_set(e, ERR_INVALID, "redis URL: no CA of the system's (name one by ca=FILE)");
    if (u->cert && SSL_CTX_use_certificate_chain_file(ctx, u->cert) != 1)
        return bad_file("cert", u->cert, e);
    if (u->key && SSL_CTX_use_PrivateKey_file(ctx, u->key, SSL_FILETYPE_PEM) != 1)
        return bad_file("key", u->key, e);
    return true;
}

struct tls_context *tls_context_new(const struct redis_url *u, struct err *e)
{
    struct tls_context *c = calloc(1, sizeof *c);
    CHECK(c);
    ERR_clear_error();
    c->ctx = SSL_CTX_new(TLS_client_method());
    CHECK(c->ctx);
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    if (load_files(c->ctx, u, e))
        return c;
    tls_context_free(c);
    return NULL;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ctx);
    free(c);
}

/* ---- a connection's ---- */

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

struct tls *tls_new(struct tls_context *c, const struct place *peer)
{
    struct tls *t = calloc(1, sizeof *t);
    CHECK(t);
    t->ssl = SSL_new(c->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    CHECK(t->ssl && t->in && t->out);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    if (is_address(peer->host)) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), peer->host) == 1);
    } else {
        CHECK(SSL_set1_host(t->ssl, peer->host) == 1);
        SSL_set_tlsext_host_name(t->ssl, peer->host);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

bool tls_wants_out(const struct tls *t)
{
    return BIO_ctrl_pending(t->out) > 0;
}

/* ---- bytes ---- */

static enum got socket_failed(const char *what, struct err *e)
{
    err_sys(e, "redis: %s", what);
    e->kind = ERR_UNAVAILABLE;
    return GOT_FAILED;
}

/* GOT_ONE: nothing is left. */
static enum got push_out(struct tls *t, int fd, struct err *e)
{
    for (;;) {
        char *bytes;
        long len = BIO_get_mem_data(t->out, &bytes);
        if (len <= 0)
            return GOT_ONE;
        ssize_t sent = send(fd, bytes, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return GOT_NONE;
        if (sent < 0)
            return socket_failed("send", e);
        char dropped[CHUNK];
        for (ssize_t left = sent; left > 0;)
            left -= BIO_read(t->out, dropped, (int)MIN(left, CHUNK));
    }
}

static enum got pull_in(struct tls *t, int fd, struct err *e)
{
    char bytes[CHUNK];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return GOT_NONE;
    if (got < 0)
        return socket_failed("receive", e);
    if (got == 0) {
        err_set(e, ERR_UNAVAILABLE, "redis: the server closed the connection");
        return GOT_FAILED;
    }
    CHECK(BIO_write(t->in, bytes, (int)got) == got);
    return GOT_ONE;
}

/* A certificate that is refused, theirs or ours, is for the operator to mend. */
static enum got tls_failed(struct tls *t, int code, struct err *e)
{
    long verdict = SSL_get_verify_result(t->ssl);
    const char *text = reason();
    if (code == SSL_ERROR_ZERO_RETURN)
        err_set(e, ERR_UNAVAILABLE, "redis: the server closed the connection");
    else if (verdict != X509_V_OK)
        err_set(e, ERR_INVALID, "redis: TLS: %s: %s", text, X509_verify_cert_error_string(verdict));
    else
        err_set(e, strstr(text, "certificate") ? ERR_INVALID : ERR_UNAVAILABLE, "redis: TLS: %s",
                text);
    return GOT_FAILED;
}

enum got tls_read(struct tls *t, int fd, char *out, size_t size, size_t *ret, struct err *e)
{
    for (;;) {
        ERR_clear_error();
        int got = SSL_read(t->ssl, out, (int)MIN(size, INT32_MAX));
        int code = SSL_get_error(t->ssl, got);
        struct err ignored = { 0 };
        /* Reading may have something to say: a step of the handshake, or why it ends. */
        enum got pushed = GOT_ONE;
        if (fd >= 0)
            pushed = push_out(t, fd, got > 0 || code == SSL_ERROR_WANT_READ ? e : &ignored);
        if (got > 0) {
            *ret = (size_t)got;
            return GOT_ONE;
        }
        if (code != SSL_ERROR_WANT_READ)
            return tls_failed(t, code, e);
        if (pushed == GOT_FAILED)
            return GOT_FAILED;
        enum got more = fd >= 0 ? pull_in(t, fd, e) : GOT_NONE;
        if (more != GOT_ONE)
            return more;
    }
}

enum got tls_write(struct tls *t, int fd, struct str bytes, size_t *ret, struct err *e)
{
    *ret = 0;
    enum got pushed = push_out(t, fd, e);
    if (pushed == GOT_FAILED || bytes.len == 0)
        return pushed;
    if (BIO_ctrl_pending(t->out) > PENDING_MAX)
        return GOT_NONE;
    ERR_clear_error();
    int got = SSL_write(t->ssl, bytes.ptr, (int)MIN(bytes.len, INT32_MAX));
    if (got > 0) {
        *ret = (size_t)got;
        return push_out(t, fd, e) == GOT_FAILED ? GOT_FAILED : GOT_ONE;
    }
    int code = SSL_get_error(t->ssl, got);
    if (code != SSL_ERROR_WANT_READ)
        return tls_failed(t, code, e);
    return push_out(t, fd, e) == GOT_FAILED ? GOT_FAILED : GOT_NONE;
}
