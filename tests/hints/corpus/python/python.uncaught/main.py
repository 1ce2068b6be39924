class TooCold(Exception):
    pass
raise TooCold("minus 5")
