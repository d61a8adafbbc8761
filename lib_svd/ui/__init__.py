"""The face in a browser: a tab, an accordion, a stand-alone page. Gradio is imported here and nowhere else."""
