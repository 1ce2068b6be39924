let class = 3;
