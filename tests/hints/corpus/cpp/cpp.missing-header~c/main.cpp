int main()
{
    printf("hi\n");
}
