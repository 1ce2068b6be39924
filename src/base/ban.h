/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ban.h - calls refused in evalX, made compile errors (the idea is git's banned.h).
 *
 * The build includes it first in every file of ours (-include), so nobody can forget it.
 */
#ifndef EVALX_BASE_BAN_H
#define EVALX_BASE_BAN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(name) name##_is_banned_see_ban_h

#undef strcpy
#define strcpy(to, from) BANNED(strcpy) /* snprintf */
#undef strcat
#define strcat(to, from) BANNED(strcat) /* buf_add_text */
#undef strncpy
#define strncpy(to, from, n) BANNED(strncpy) /* snprintf */
#undef strncat
#define strncat(to, from, n) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf) /* snprintf, buf_addf */
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef strtok
#define strtok(s, d) BANNED(strtok)
#undef atoi
#define atoi(s) BANNED(atoi) /* parse_int */
#undef atol
#define atol(s) BANNED(atol)
#undef atoll
#define atoll(s) BANNED(atoll)
#undef atof
#define atof(s) BANNED(atof) /* parse_double */
#undef gmtime
#define gmtime(t) BANNED(gmtime) /* gmtime_r, wall_text */
#undef localtime
#define localtime(t) BANNED(localtime)
#undef ctime
#define ctime(t) BANNED(ctime)
#undef asctime
#define asctime(t) BANNED(asctime)
#undef system
#define system(command) BANNED(system) /* posix_spawn */
#undef mktemp
#define mktemp(t) BANNED(mktemp) /* mkstemp */
#undef tmpnam
#define tmpnam(t) BANNED(tmpnam)

#endif
