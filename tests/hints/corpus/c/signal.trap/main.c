int main(void)
{
    __asm__("int3");
}
