/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: count up the statistics of the network namespace, which outlives the run: packets that
 *         found no route can be read by the next one
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "hostile.h"

int main(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

    inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
    for (int i = 0; i < 100; i++) {
        int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

        connect(tcp, (struct sockaddr *)&to, sizeof to);
        sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
        close(tcp);
        close(udp);
    }
    printf("done\n");
    return 0;
}
