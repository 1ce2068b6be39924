import tkinter
root = tkinter.Tk()
