/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/file.h"
#include "sandbox/build_id.h" /* made from the sources */

const char *const wire_build_id = EVALX_BUILD_ID;

enum {
    PACKET_BYTES = 64 * 1024, /* below the default socket buffer, so a packet is never refused */
    PACKET_FDS = 250,         /* SCM_MAX_FD is 253 */
    BODY_MAX = 1 << 30,
    FDS_MAX = 16384,
    MAGIC = 0x65766c58,
};

enum {
    FLAG_MORE = 1u << 0, /* descriptors only, the message follows */
    FLAG_FILE = 1u << 1, /* the last descriptor is a memory file holding the body */
};

struct head {
    uint32_t magic;
    uint32_t type;
    uint32_t flags;
    uint32_t body_len;
};

union control {
    char bytes[CMSG_SPACE((PACKET_FDS + 1) * sizeof(int))];
    struct cmsghdr align;
};

static void fds_drop(struct wire *w)
{
    if (w->received)
        for (size_t i = w->fd_at; i < w->fd_count; i++)
            fd_close(w->fds[i]);
    w->fd_count = 0;
    w->fd_at = 0;
    w->received = false;
}

void wire_done(struct wire *w)
{
    fds_drop(w);
    buf_done(&w->body);
    free(w->fds);
    free(w->packet);
    *w = (struct wire){ 0 };
}

void wire_start(struct wire *w, enum wire_type type)
{
    fds_drop(w);
    buf_reset(&w->body);
    w->type = type;
    w->at = 0;
    w->bad = false;
}

void wire_put_int(struct wire *w, int64_t value)
{
    buf_add(&w->body, &value, sizeof value);
}

void wire_put_str(struct wire *w, struct str bytes)
{
    wire_put_int(w, (int64_t)bytes.len);
    buf_add(&w->body, bytes.ptr ? bytes.ptr : "", bytes.len);
    buf_add_char(&w->body, '\0');
}

void wire_put_text(struct wire *w, const char *text)
{
    wire_put_str(w, str_of(text ? text : ""));
}

void wire_put_texts(struct wire *w, const char *const *all)
{
    int64_t count = 0;
    while (all && all[count])
        count++;
    wire_put_int(w, count);
    for (int64_t i = 0; i < count; i++)
        wire_put_text(w, all[i]);
}

void wire_put_fd(struct wire *w, int fd)
{
    if (w->fd_count == w->fd_capacity) {
        w->fd_capacity = w->fd_capacity ? w->fd_capacity * 2 : 16;
        w->fds = realloc(w->fds, w->fd_capacity * sizeof *w->fds);
        CHECK(w->fds != NULL);
    }
    w->fds[w->fd_count++] = fd;
}

void wire_put_err(struct wire *w, const struct err *e)
{
    wire_put_int(w, e->kind);
    wire_put_int(w, e->sys);
    wire_put_text(w, e->field);
    wire_put_text(w, e->text);
}

static bool send_packet(int sock, const struct head *head, struct str body, const int *fds,
                        size_t fd_count, struct err *e)
{
    struct iovec parts[2] = {
        { .iov_base = (void *)head, .iov_len = sizeof *head },
        { .iov_base = (void *)body.ptr, .iov_len = body.len },
    };
    union control control;
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = body.len ? 2 : 1 };
    if (fd_count > 0) {
        memset(&control, 0, CMSG_SPACE(fd_count * sizeof(int)));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(sock, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return true;
    if (errno == EPIPE || errno == ECONNRESET)
        return err_set(e, ERR_UNAVAILABLE, "the other side is gone");
    return err_sys(e, "send message");
}

/* Descriptors beyond what the last packet can carry go ahead. */
static bool send_surplus(int sock, const struct wire *w, size_t *first, struct err *e)
{
    const struct head more = { .magic = MAGIC, .type = w->type, .flags = FLAG_MORE };
    while (w->fd_count - *first > PACKET_FDS) {
        if (!send_packet(sock, &more, STR_NULL, w->fds + *first, PACKET_FDS, e))
            return false;
        *first += PACKET_FDS;
    }
    return true;
}

bool wire_send(int sock, struct wire *w, struct err *e)
{
    size_t first = 0;
    if (w->fd_count > 0 && !send_surplus(sock, w, &first, e))
        return false;
    const int *fds = w->fd_count > 0 ? w->fds + first : NULL;

    struct head head = { .magic = MAGIC, .type = w->type, .body_len = (uint32_t)w->body.len };
    if (w->body.len <= PACKET_BYTES - sizeof head)
        return send_packet(sock, &head, buf_str(&w->body), fds, w->fd_count - first, e);

    if (w->body.len > BODY_MAX)
        return err_set(e, ERR_LIMIT, "message of %zu bytes", w->body.len);
    CLEANUP(fd_close) int file = memfd_of("message", buf_str(&w->body), 0400, e);
    if (file < 0)
        return false;
    wire_put_fd(w, file);
    head.flags = FLAG_FILE;
    bool ok = send_packet(sock, &head, STR_NULL, w->fds + first, w->fd_count - first, e);
    w->fd_count--;
    return ok;
}

static void keep_fds(struct wire *w, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            wire_put_fd(w, fd);
        }
    }
}

/* Length of the packet, 0 when the other side has closed, negative on error. */
static ssize_t receive_packet(int sock, struct wire *w, struct head *head, struct err *e)
{
    if (!w->packet) {
        w->packet = malloc(PACKET_BYTES);
        CHECK(w->packet != NULL);
    }
    union control control;
    struct iovec parts[2] = {
        { .iov_base = head, .iov_len = sizeof *head },
        { .iov_base = w->packet, .iov_len = PACKET_BYTES },
    };
    struct msghdr message = { .msg_iov = parts,
                              .msg_iovlen = 2,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control };
    ssize_t got;
    do
        got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ECONNRESET)
        return 0;
    if (got < 0)
        return err_sys(e, "receive message"), -1;
    keep_fds(w, &message);
    if (got == 0)
        return 0;
    if (message.msg_flags & MSG_CTRUNC) /* there was room for more than we send */
        return err_sysno(e, EMFILE, "receive descriptors"), -1;
    if ((message.msg_flags & MSG_TRUNC) || (size_t)got < sizeof *head || head->magic != MAGIC ||
        w->fd_count > FDS_MAX)
        return err_set(e, ERR_BUG, "a packet that is no message"), -1;
    return got;
}

/* The body came as a memory file, the last descriptor. */
static bool read_body_file(struct wire *w, uint32_t len, struct err *e)
{
    if (w->fd_count == 0 || len > BODY_MAX)
        return err_set(e, ERR_BUG, "a message without its body");
    CLEANUP(fd_close) int file = w->fds[--w->fd_count];
    struct stat st;
    if (fstat(file, &st) != 0 || st.st_size != (off_t)len)
        return err_set(e, ERR_BUG, "a message with a body of another size");
    char *to = buf_reserve(&w->body, len);
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(file, to + done, len - done, (off_t)done);
        if (got <= 0)
            return err_sys(e, "read message body");
        done += (size_t)got;
    }
    w->body.len = len;
    return true;
}

enum got wire_receive(int sock, struct wire *w, struct err *e)
{
    struct head head;
    wire_start(w, WIRE_NONE);
    w->received = true;
    do {
        ssize_t got = receive_packet(sock, w, &head, e);
        if (got <= 0)
            return got < 0 ? GOT_FAILED : GOT_NONE;
        if (head.flags & FLAG_FILE) {
            if (!read_body_file(w, head.body_len, e))
                return GOT_FAILED;
        } else if ((size_t)got - sizeof head != head.body_len) {
            err_set(e, ERR_BUG, "a message of another length");
            return GOT_FAILED;
        } else {
            buf_add(&w->body, w->packet, head.body_len);
        }
    } while (head.flags & FLAG_MORE);
    w->type = head.type;
    return GOT_ONE;
}

/* len bytes of the body, or NULL and bad when there are not that many left. */
static const char *take_bytes(struct wire *w, size_t len)
{
    if (w->bad || len > w->body.len - w->at) {
        w->bad = true;
        return NULL;
    }
    const char *at = w->body.ptr + w->at;
    w->at += len;
    return at;
}

int64_t wire_get_int(struct wire *w)
{
    int64_t value = 0;
    const char *at = take_bytes(w, sizeof value);
    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

int64_t wire_get_range(struct wire *w, int64_t low, int64_t high)
{
    int64_t value = wire_get_int(w);
    if (value >= low && value <= high)
        return value;
    w->bad = true;
    return low;
}

struct str wire_get_str(struct wire *w)
{
    int64_t len = wire_get_range(w, 0, BODY_MAX);
    const char *at = take_bytes(w, (size_t)len + 1);
    if (at && at[len] != '\0')
        w->bad = true;
    return at && !w->bad ? (struct str){ at, (size_t)len } : STR("");
}

const char *wire_get_text(struct wire *w)
{
    struct str s = wire_get_str(w);
    if (strlen(s.ptr) == s.len)
        return s.ptr;
    w->bad = true;
    return "";
}

char **wire_get_texts(struct wire *w)
{
    size_t start = w->at;
    int64_t count = wire_get_range(w, 0, 65536);
    size_t bytes = 0;
    for (int64_t i = 0; i < count; i++)
        bytes += strlen(wire_get_text(w)) + 1;
    if (w->bad)
        count = 0, bytes = 0;

    char **all = malloc(((size_t)count + 1) * sizeof *all + bytes);
    CHECK(all != NULL);
    char *to = (char *)(all + count + 1);
    size_t end = w->at;
    w->at = start + sizeof(int64_t);
    for (int64_t i = 0; i < count; i++) {
        struct str s = wire_get_str(w);
        all[i] = memcpy(to, s.ptr, s.len + 1);
        to += s.len + 1;
    }
    all[count] = NULL;
    w->at = end;
    return all;
}

int wire_take_fd(struct wire *w)
{
    if (w->fd_at >= w->fd_count) {
        w->bad = true;
        return -1;
    }
    return w->fds[w->fd_at++];
}

void wire_get_err(struct wire *w, struct err *e)
{
    err_reset(e);
    e->kind = (enum err_kind)wire_get_range(w, ERR_NONE, ERR_BUG);
    e->sys = (int)wire_get_range(w, 0, 4096);
    snprintf(e->field, sizeof e->field, "%s", wire_get_text(w));
    snprintf(e->text, sizeof e->text, "%s", wire_get_text(w));
}

bool wire_ok(const struct wire *w)
{
    return !w->bad;
}
