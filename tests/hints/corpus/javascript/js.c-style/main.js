#include <stdio.h>
int main() {
}
