int main(void)
{
    int *p = NULL;
    *p = 3;
    return 0;
}
