"""How the files in ``model/weights`` were made. Development only; nothing here is imported at run time."""
