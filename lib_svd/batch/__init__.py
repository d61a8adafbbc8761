"""A folder of pictures to a folder of clips: one picture, one clip, however often it is stopped and started again.

The folder of clips is the ledger. A clip's name ends in a key, made of the picture's bytes and the complete settings:
what is there under its key is done, whatever the picture is called now. So there is nothing that a kill could leave
behind the truth, and batches that run into one folder at once share the work.

What makes a clip is a `Worker`; `local` has the one of this machine.
"""
