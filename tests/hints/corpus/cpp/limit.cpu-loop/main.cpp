int main()
{
    while (true)
        asm volatile("");
}
