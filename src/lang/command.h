/* SPDX-License-Identifier: Apache-2.0 */
/* command.h - the words of argv templates, for the reader of language files. Internal to lang/. */
#ifndef EVALX_LANG_COMMAND_H
#define EVALX_LANG_COMMAND_H

/* What is wrong with one word of a template: a {word} nobody knows, or a list inside a word. NULL:
 * nothing. */
const char *template_trouble(const char *word);

#endif
