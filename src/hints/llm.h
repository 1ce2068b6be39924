/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llm.h - one more hint, from a language model the operator chose: any endpoint that speaks
 * OpenAI's chat completions (a local llama.cpp, Ollama or vLLM as well). Off unless it is set up.
 *
 * What is sent  language, the source that is run, what the compiler printed, the verdict with
 * limit, signal and exit code, and the hints that patterns found. Never the input, the arguments,
 * the expected or the printed output of a test nor further files: they may be secret, and a program
 * can print what it read. Not here      sending it, and when: service/explain.c. Source
 * https://platform.openai.com/docs/api-reference/chat/create Threads       any; a struct llm is
 * const, but for its budget, which has a lock.
 */
#ifndef EVALX_HINTS_LLM_H
#define EVALX_HINTS_LLM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "drivers/web.h"
#include "job/job.h"
#include "job/result.h"

enum { LLM_HINT_BYTES = 800 }; /* a longer answer is cut behind its last whole sentence */

struct llm;

struct llm_config {
    const char *url;    /* of the API, such as "http://127.0.0.1:11434/v1" */
    const char *model;  /* as the endpoint calls it */
    const char *key;    /* sent as a bearer token; NULL: none */
    int64_t timeout_us; /* of one answer */
    int64_t per_minute; /* questions at most: the budget */
};

/* Texts are copied. errors: INVALID the URL, no model */
MUST_USE struct llm *llm_open(const struct llm_config *config, struct err *e);
void llm_free(struct llm *l);
CLEANUP_FOR(struct llm *, llm_free)

/* Whether a hint of a model could help: the program failed by itself and its author wants hints. */
bool llm_fits(const struct job *job, const struct result *result);

/*
 * Spend one question of the budget. False: none is left before the time in ret_us, monotonic like
 * now_us. per_minute of them may be asked at once, then they come back one by one.
 */
bool llm_may_ask(struct llm *l, int64_t now_us, int64_t *ret_us);

/* Append the body of the question. */
void llm_question(const struct llm *l, const struct job *job, const struct result *result,
                  struct buf *out);

/* The request that asks it. Borrows l, body and headers (room for 3). */
struct web_request llm_request(const struct llm *l, struct str body, const char *headers[3]);

/*
 * What the model said, as a hint whose texts live in arena.
 *
 * ret      GOT_NONE: it refused, or had nothing to say
 * errors   UNAVAILABLE the status is not 200; INVALID the body is not what such an endpoint sends
 */
MUST_USE enum got llm_answer(const struct web_answer *a, struct arena *arena, struct hint *ret,
                             struct err *e);

#endif
