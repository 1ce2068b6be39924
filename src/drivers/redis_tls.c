/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/redis_internal.h"

struct tls_context *tls_context_new(UNUSED const struct redis_url *u, struct err *e)
{
    err_set(e, ERR_INVALID, "redis URL: this build speaks no TLS to Redis");
    return NULL;
}

void tls_context_free(UNUSED struct tls_context *c)
{
}

struct tls *tls_new(UNUSED struct tls_context *c, UNUSED const struct place *peer)
{
    return NULL;
}

void tls_free(UNUSED struct tls *t)
{
}

enum got tls_read(UNUSED struct tls *t, UNUSED int fd, UNUSED char *out, UNUSED size_t size,
                  UNUSED size_t *ret, UNUSED struct err *e)
{
    return GOT_FAILED;
}

enum got tls_write(UNUSED struct tls *t, UNUSED int fd, UNUSED struct str bytes, UNUSED size_t *ret,
                   UNUSED struct err *e)
{
    return GOT_FAILED;
}

bool tls_wants_out(UNUSED const struct tls *t)
{
    return false;
}
